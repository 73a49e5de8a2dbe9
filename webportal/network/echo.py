"""C-ECHO: testing the connection to a node."""

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pynetdicom.association import Association

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.network import scu, worklist
from webportal.network.models import Node
from webportal.network.scu import NotReachedError, own_entity
from webportal.network.sop_classes import PLAIN_SYNTAXES, VERIFICATION, WORKLIST
from webportal.orders import questions
from webportal.reasons import Reason

_PATIENCE_SECONDS = 5


def echo(node: Node, by: User) -> tuple[bool, str]:
    """Send a C-ECHO to a node; return whether it succeeded, and a message.

    A worklist is also searched for an order that nobody has; if that works, due queries are sent.
    """
    if not node.host or node.port is None:
        return False, _("Give a single address and the port on which the node listens.")
    try:
        answered, words = _echo(node, node.port)
    except NotReachedError as error:
        answered, words = False, str(Reason(error.code))
    append(Event(Action.NODE_TESTED, "node", node.pk, detail={"answered": answered}), by)
    return answered, words


def _echo(node: Node, port: int) -> tuple[bool, str]:
    entity = own_entity()
    entity.acse_timeout = entity.dimse_timeout = _PATIENCE_SECONDS
    entity.connection_timeout = entity.network_timeout = _PATIENCE_SECONDS
    entity.add_requested_context(VERIFICATION)
    if node.is_worklist:
        entity.add_requested_context(WORKLIST, list(PLAIN_SYNTAXES))
    answered, words = False, ""
    tls = scu.tls_to(node, node.host)
    association = entity.associate(node.host, port, ae_title=node.ae_title, tls_args=tls)
    if association.is_established:
        status = association.send_c_echo()
        answered = bool(status) and status.Status == 0
        if not answered:
            words = _("It accepted the association but did not answer the C-ECHO.")
        elif node.is_worklist:
            answered, words = _search_for_nobody(association)
            if answered and node.order_source is not None:
                questions.record_reached(node.order_source)
        else:
            words = _("It answered.")
        association.release()
    elif association.is_rejected:
        words = _(
            "It rejected the association. Add Chestline's AE title {title} and address there."
        ).format(title=settings.DICOM_AE_TITLE)
    elif why := scu.refused_tls(node, node.host):
        words = str(Reason(why))
    else:
        words = _("Nothing responds at {host}, port {port}.").format(host=node.host, port=port)
    return answered, words


def _search_for_nobody(association: Association) -> tuple[bool, str]:
    """Whether the worklist answers a query that matches no patient, and a message."""
    try:
        _found, count = worklist.find(association, worklist.NOBODY)
    except worklist.QuestionError as error:
        return False, str(error.reason)
    if not count:
        return True, _("It answered, and its worklist can be searched.")
    words = ngettext(
        "It answered. Its worklist does not search by accession number: it returned {count} item,"
        " which is looked through each time.",
        "It answered. Its worklist does not search by accession number: it returned {count} items,"
        " which are looked through each time.",
        count,
    )
    return True, words.format(count=count)
