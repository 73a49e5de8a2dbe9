"""Labels of stored values, which a later release may have added to."""

from django.db.models import Choices


def label_of(choices: type[Choices], value: str | int) -> str:
    """The label of a stored value; the value itself where this release does not know it.

    While programs of two releases work on one database, and after a rollback, rows can have values
    that only the later release knows.
    """
    return str(choices(value).label) if value in choices.values else str(value)
