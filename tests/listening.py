"""Real processes of the commands that listen on a port, on the tests' database."""

import os
import re
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

from tests import services
from tests.helpers import PATIENCE_SECONDS
from tests.warm import start_warm


class ListeningProcess:
    """`manage.py COMMAND --port 0`, started in the constructor; `port` is the one it chose.

    Args:
        command: the name of the command.
        announcement: the line of its output that names the port, as a regular expression.
        log: the file for its output, appended to.
        settings: environment variables.
    """

    def __init__(
        self, command: str, announcement: str, log: Path, settings: dict[str, str]
    ) -> None:
        url = urlsplit(services.postgres.url)
        database = url._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
        self.log = log
        with log.open("a") as output:
            begin = log.stat().st_size
            environment = os.environ | {"DATABASE_URL": database, **settings}
            self.process = start_warm("manage", [command, "--port", "0"], environment, output)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := re.search(announcement, log.read_text()[begin:])) is None:
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        self.port = int(found[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it, as a service manager does by default; returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_SECONDS)
