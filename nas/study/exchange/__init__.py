"""Studies leave and enter: files of studies, frames, commands that reproduce them."""
