"""What a command cannot do, told to the person at the terminal."""


class CommandError(Exception):
    """The command cannot be carried out; the message says what to do."""
