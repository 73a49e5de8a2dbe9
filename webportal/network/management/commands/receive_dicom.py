"""`manage.py receive_dicom`: the process that receives images from modalities and PACS."""

import logging
import threading

from django.conf import settings
from django.db import Error, connection

from webportal import tracing
from webportal.intake.errors import StorageRefusesError
from webportal.listening import ListeningCommand
from webportal.network import inbox, outgoing, scp, unrecorded
from webportal.network.importing import import_quiet_studies

logger = logging.getLogger(__name__)

# Polling interval of the inbox.
_PAUSE_SECONDS = 1.0
_PAUSE_AFTER_FAULT_SECONDS = 10.0
_STOP_SECONDS = 5.0


class Command(ListeningCommand):
    """Receive until SIGTERM or Ctrl-C; meanwhile import from the inbox and call nodes."""

    help = "Receive images over the DICOM network, import them, and call other nodes."
    prefix = "DICOM"
    receiving = f"Receiving as {settings.DICOM_AE_TITLE}"

    def listen(self, address: str, port: int) -> scp.AssociationServer:
        return scp.listen(address, port)

    def prepare(self) -> None:
        # No other process receives here, so unfinished files and files without a record were left
        # by one that died. New connections wait meanwhile.
        inbox.remove_unfinished()
        unrecorded.record()

    def work(self, stopping: threading.Event) -> None:
        tracing.start("chestline-receiver")
        calls = threading.Thread(target=outgoing.run, args=(stopping,), name="calls", daemon=True)
        calls.start()
        while not stopping.is_set():
            try:
                import_quiet_studies(stopping.is_set)
            except (StorageRefusesError, OSError, Error) as error:
                logger.error("The import from the inbox is delayed: %s", type(error).__name__)
                connection.close()
                stopping.wait(_PAUSE_AFTER_FAULT_SECONDS)
            stopping.wait(_PAUSE_SECONDS)
        calls.join(_STOP_SECONDS)
        tracing.stop()
