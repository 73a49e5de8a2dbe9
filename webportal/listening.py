"""Commands that receive over the network until they are stopped."""

import threading
from argparse import ArgumentParser
from typing import Any, Protocol

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from webportal import keys
from webportal.database import compatibility
from webportal.stopping import on_signal


class ListeningServer(Protocol):
    """A listening socket; connections wait until it starts."""

    @property
    def server_address(self) -> Any:
        """The address and port on which it listens."""

    def start(self) -> None:
        """Serve in a new thread."""

    def stop(self) -> None:
        """Stop listening."""


class ListeningCommand(BaseCommand):
    """Receive until SIGTERM or Ctrl-C.

    `prefix`: that of the settings with address and port, such as DICOM for DICOM_ADDRESS.
    """

    # `migrate` has run them before; they load every page of the portal, a third of the start.
    requires_system_checks = []

    prefix: str
    #: The message once it listens, before the port.
    receiving: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options for the address and the port to listen on."""
        parser.add_argument("--address", default=getattr(settings, f"{self.prefix}_ADDRESS"))
        parser.add_argument("--port", type=int, default=getattr(settings, f"{self.prefix}_PORT"))

    def listen(self, address: str, port: int) -> ListeningServer:
        """Return the server, not started yet. Raises OSError."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Do what has to be done once no other process listens, and before anything arrives."""

    def work(self, stopping: threading.Event) -> None:
        """Do what there is to do beside receiving, until `stopping` is set."""
        stopping.wait()

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError if a key is weak, or it cannot listen there."""
        stopping = on_signal()
        try:
            keys.check_at_start()
        except keys.RefusedKeyError as error:
            raise CommandError(str(error)) from error
        address, port = options["address"], options["port"]
        try:
            server = self.listen(address, port)
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {address}, port {port} ({self.prefix}_ADDRESS,"
                f" {self.prefix}_PORT): {error.strerror}."
            ) from error
        compatibility.watch(stopping.set)
        self.prepare()
        server.start()
        self.stdout.write(f"{self.receiving} on port {server.server_address[1]}.")
        self.stdout.flush()
        try:
            self.work(stopping)
        finally:
            server.stop()
