"""`manage.py receive_dicom`: the process that receives images from modalities and PACS."""

import logging
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from webportal import keys
from webportal.intake.errors import StorageRefusesError
from webportal.network import found, inbox, outgoing, scp
from webportal.network.importing import import_quiet_studies
from webportal.stopping import on_signal

logger = logging.getLogger(__name__)

# Polling interval of the inbox.
_PAUSE_SECONDS = 1.0
_PAUSE_AFTER_FAULT_SECONDS = 10.0
_STOP_SECONDS = 5.0


class Command(BaseCommand):
    """Listen until SIGTERM or Ctrl-C, and import from the inbox meanwhile."""

    help = "Receive images over the DICOM network and take them in, and call nodes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--address", default=settings.DICOM_ADDRESS)
        parser.add_argument("--port", type=int, default=settings.DICOM_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = on_signal()
        try:
            keys.check_at_start()
        except keys.WeakKeyError as error:
            raise CommandError(str(error)) from error
        try:
            server = scp.listen(options["address"], options["port"])
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {options['address']}, port {options['port']} (DICOM_ADDRESS,"
                f" DICOM_PORT): {error.strerror}."
            ) from error
        # No other process listens here, so files unfinished or without a record are those of a dead
        # one. Who connects meanwhile waits.
        inbox.remove_unfinished()
        found.record()
        server.start()
        calls = threading.Thread(target=outgoing.run, args=(stopping,), name="calls", daemon=True)
        calls.start()
        port = server.server_address[1]
        self.stdout.write(f"Receiving as {settings.DICOM_AE_TITLE} on port {port}.")
        self.stdout.flush()
        try:
            while not stopping.is_set():
                try:
                    import_quiet_studies(stopping.is_set)
                except (StorageRefusesError, OSError, Error) as error:
                    logger.error("The inbox waits: %s", type(error).__name__)
                    connection.close()
                    stopping.wait(_PAUSE_AFTER_FAULT_SECONDS)
                stopping.wait(_PAUSE_SECONDS)
        finally:
            server.stop()
            calls.join(_STOP_SECONDS)
