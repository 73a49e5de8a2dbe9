"""Why something waits for a node: messages by code, with `{}` placeholders."""

from django.utils.translation import gettext_noop

from webportal.reasons import register

register(
    {
        "node_without_port": gettext_noop(
            "Enter the port on which the device listens. It is then tried again."
        ),
        "node_away": gettext_noop("The device does not respond. It will be tried again."),
        "node_rejects": gettext_noop(
            "The device rejects the association. Add Chestline's AE title and address there; it"
            " will be tried again."
        ),
        "node_silent": gettext_noop(
            "The device did not answer, or accepts no reports on storage commitment. It will be"
            " tried again."
        ),
        "storage_away": gettext_noop(
            "The storage of the images cannot be reached; it is reported once it can."
        ),
        "report_refused": gettext_noop(
            "The device answered the report with an error. It will be tried again."
        ),
    }
)
