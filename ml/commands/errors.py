"""Errors of commands, shown to the user at the terminal."""


class CommandError(Exception):
    """The command cannot be carried out; the message says what to do."""
