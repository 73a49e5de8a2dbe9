"""Whether this program may work on the database, while programs of two releases do.

During an upgrade programs of the previous release work on a database that the next one has
migrated, and both at once. That is meant to work: migrations only add (docs/decisions/portal.md).
Where one cannot, it sets the oldest protocol with which programs may go on, and older ones end
themselves. The other way round, a program does not start before the database has its migrations.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

logger = logging.getLogger(__name__)

#: What this program expects of the database and of the others. A release that the previous one
#: cannot work beside has the next number, and a migration that calls `refuse_older` with it.
PROTOCOL = 1
WATCH_SECONDS = 10.0

#: Part of a statement that must do nothing for a program that is too old; needs `protocol`.
IS_TOO_OLD = (
    "EXISTS (SELECT FROM inference_oldestprotocol AS oldest WHERE oldest.protocol > %(protocol)s)"
)


class TooOldError(Exception):
    """The database is of a release that this program cannot work beside; the message says so."""


def check() -> None:
    """Raise TooOldError if this program must not work on the database."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {IS_TOO_OLD}", {"protocol": PROTOCOL})
        [is_too_old] = cursor.fetchone()
    if is_too_old:
        raise TooOldError(
            "The database has been upgraded to a release that this one cannot work beside. "
            "Install that release here, too."
        )


def refuse_older(execute: Callable[[str], object], protocol: int) -> None:
    """For a migration: from its commit on, only programs of this protocol or a later one work."""
    execute("DELETE FROM inference_oldestprotocol")
    execute(f"INSERT INTO inference_oldestprotocol (protocol) VALUES ({int(protocol)})")  # noqa: S608


def watch(end: Callable[[], None]) -> None:
    """Check now and at intervals, in a thread; call `end` once this program is too old."""
    threading.Thread(target=_watch, args=(end,), daemon=True, name="compatibility").start()


def _watch(end: Callable[[], None]) -> None:
    while True:
        try:
            check()
        except TooOldError as error:
            logger.critical("This process ends. %s", error)
            end()
            return
        except (DatabaseError, InterfaceError):
            # What needs the database reports that it is unreachable.
            pass
        finally:
            connection.close()
        time.sleep(WATCH_SECONDS)
