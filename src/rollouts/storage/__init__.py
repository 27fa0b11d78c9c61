"""The archive: a SQLite catalog and one bare git store per workspace."""
