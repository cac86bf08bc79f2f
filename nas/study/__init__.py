"""The study database: its tables, the one writer, and pandas frames. No torch, no ray."""
