"""`manage.py receive_orders`: the process that receives orders by HL7 v2."""

from webportal.listening import ListeningCommand
from webportal.orders.mllp import MllpServer


class Command(ListeningCommand):
    """Receive until SIGTERM or Ctrl-C."""

    help = "Receive orders by HL7 v2 over MLLP (ORM^O01, OMG^O19, OMI^O23)."
    prefix = "ORDERS"
    receiving = "Receiving orders"

    def listen(self, address: str, port: int) -> MllpServer:
        return MllpServer(address, port)
