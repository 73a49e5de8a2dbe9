"""Encrypted, incremental backups of the database and the stored files, and restoring them."""
