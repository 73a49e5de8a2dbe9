"""Why a node could not be reached or did not respond as expected: messages by code.

No message says that it will be retried: a request that was given up keeps its reason.
"""

from django.utils.translation import gettext_noop

from webportal.reasons import register

register(
    {
        "node_without_port": gettext_noop("Enter the port on which the device listens."),
        "node_away": gettext_noop("The device does not respond."),
        "node_rejects": gettext_noop(
            "The device rejects the association. Add Chestline's AE title and address there."
        ),
        "node_not_trusted": gettext_noop(
            "The certificate of the device is not trusted. If its authority is unknown, add that to"
            " DELIVERY_CA; if it was issued for a name instead of the address, enter the name under"
            " DICOM; if it has expired, renew it on the device."
        ),
        "node_refuses_tls": gettext_noop(
            "The device does not accept the TLS connection, or ends it. Check that the port is its"
            " port for TLS. If it requires a client certificate, make it trust the one in"
            " DICOM_TLS_CERTIFICATE."
        ),
        "own_certificate_unreadable": gettext_noop(
            "A certificate cannot be read. Check DELIVERY_CA, DICOM_TLS_CERTIFICATE and"
            " DICOM_TLS_KEY."
        ),
        "node_silent": gettext_noop("The device did not answer."),
        "storage_away": gettext_noop(
            "The storage of the images cannot be reached; it is reported once it can."
        ),
        "node_unexpected": gettext_noop("The device answered in an unexpected way."),
        "find_not_offered": gettext_noop("The device accepts no queries (C-FIND, Study Root)."),
        "find_refused": gettext_noop("The device answered the query with an error."),
        "find_too_many": gettext_noop(
            "The device returned hundreds of studies, perhaps not all of one patient."
        ),
        "retrieve_not_offered": gettext_noop(
            "The device does not offer to send images in this way. Choose C-MOVE in place of C-GET,"
            " or the other way round."
        ),
        "retrieve_failed": gettext_noop(
            "Not all images came. With C-MOVE, enter Chestline's AE title, address and port there."
        ),
        "prior_differs": gettext_noop("may be another patient’s ({differences})"),
        "report_not_offered": gettext_noop("The device accepts no reports on storage commitment."),
        "report_refused": gettext_noop("The device answered the report with an error."),
    }
)
