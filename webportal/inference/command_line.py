"""Who acts when hospital IT uses a command instead of a page."""

import getpass


def acting() -> str:
    """The actor for the audit trail: the command line, and the account of the machine."""
    return f"manage.py ({getpass.getuser()})"
