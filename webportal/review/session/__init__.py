"""A reader's session: the idle lock and the signing PIN."""
