"""The terminal: commands, tables, text figures, the live view; everything else is below it."""
