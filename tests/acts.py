"""Things that are done at the same time, and wait for one another."""

import threading
from collections.abc import Callable

from django.db import connection

LONG_ENOUGH = 0.5  # seconds, for a statement that has to wait to show that it does
PATIENCE = 30  # seconds


class Act:
    """Something done at the same time, on a connection of its own."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=[act])
        self.thread.start()

    def _run(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:
            self.error = error
        finally:
            connection.close()

    def waits(self) -> bool:
        self.thread.join(LONG_ENOUGH)
        return self.thread.is_alive()

    def end(self) -> BaseException | None:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.error
