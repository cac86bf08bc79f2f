"""The database under a study: engines, tables, migrations, what is away or cannot be written."""
