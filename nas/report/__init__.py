"""A study as one file to read and print."""
