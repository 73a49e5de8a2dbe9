"""A reader's session: the signing PIN and choices for reading."""
