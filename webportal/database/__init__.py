"""The portal's way to PostgreSQL: Django's own, but that it never waits for ever."""
