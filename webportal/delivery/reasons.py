"""Why a delivery waits, was rejected or cancelled: messages by code, with `{}` placeholders."""

from django.utils.translation import gettext_noop

from webportal.reasons import register

register(
    {
        "not_reached": gettext_noop("Nothing answers there. It is tried again."),
        "association_rejected": gettext_noop(
            "It rejects the association. Enter Chestline's AE title {title} and address there; it"
            " is tried again."
        ),
        "not_negotiated": gettext_noop("It does not accept objects of this kind ({kind})."),
        "not_allowed": gettext_noop(
            "It does not allow it ({answer}). Check the token; it is tried again."
        ),
        "token_unreadable": gettext_noop(
            "The token cannot be decrypted, because a key was taken out of SECOND_FACTOR_KEYS."
            " Enter it again."
        ),
        "no_answer": gettext_noop(
            "The connection ended before it was acknowledged. It is sent again under the same UID,"
            " so that nothing is there twice."
        ),
        "not_a_server": gettext_noop(
            "It answers {answer}, as a proxy or another server does. Check the URL and what is"
            " behind it; it is tried again."
        ),
        "host_invalid": gettext_noop("The host name is not valid. Correct it there."),
        "certificate_unreadable": gettext_noop(
            "A certificate cannot be read. Check DELIVERY_CA, DICOM_TLS_CERTIFICATE and"
            " DICOM_TLS_KEY; it is tried again."
        ),
        "busy": gettext_noop("It cannot take it at present ({answer}). It is tried again."),
        "rejected_by_destination": gettext_noop("It rejects the object ({answer})."),
        "being_read": gettext_noop(
            "The study is being read again, or by a second reader. It waits until that is signed."
        ),
        "identity_corrected": gettext_noop(
            "The patient's identity was corrected after the signature. It waits until its reader"
            " amends the read, which then goes out instead."
        ),
        "identity_temporary": gettext_noop(
            "The patient is unknown as yet. It waits until the study has been given to its patient."
        ),
        "not_chosen": gettext_noop(
            "The destination is no longer sent this. Choose it again there, or cancel the delivery."
        ),
        "demonstration": gettext_noop("A study for demonstration is not sent."),
        "file_away": gettext_noop("The image's file cannot be read. It is tried again."),
        "superseded": gettext_noop("A newer one goes out instead."),
        "cancelled_by_person": gettext_noop("A person cancelled it."),
        "destination_removed": gettext_noop("The destination was removed."),
        "internal": gettext_noop("The document cannot be made ({error}). It is tried again."),
    }
)
