"""Database backend: Django's for PostgreSQL, with client-side timeouts."""
