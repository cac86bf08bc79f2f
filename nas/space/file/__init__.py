"""What a space file may say: schema, fields, knobs, canonical form, and where files are."""
