"""`manage.py receive_orders`: the process that receives orders by HL7 v2."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from webportal import keys
from webportal.orders.mllp import Server
from webportal.stopping import on_signal


class Command(BaseCommand):
    """Listen until SIGTERM or Ctrl-C."""

    help = "Receive orders by HL7 v2 over MLLP (ORM^O01, OMG^O19, OMI^O23)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--address", default=settings.ORDERS_ADDRESS)
        parser.add_argument("--port", type=int, default=settings.ORDERS_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = on_signal()
        try:
            keys.check_at_start()
        except keys.WeakKeyError as error:
            raise CommandError(str(error)) from error
        try:
            server = Server(options["address"], options["port"])
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {options['address']}, port {options['port']} (ORDERS_ADDRESS,"
                f" ORDERS_PORT): {error.strerror}."
            ) from error
        server.start()
        self.stdout.write(f"Receiving orders on port {server.server_address[1]}.")
        self.stdout.flush()
        try:
            stopping.wait()
        finally:
            server.stop()
