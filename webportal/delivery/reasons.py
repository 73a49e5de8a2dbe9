"""Why a delivery waits, was rejected or cancelled: messages by code, with `{}` placeholders."""

from django.utils.translation import gettext_noop

from webportal.reasons import register

register(
    {
        "not_reached": gettext_noop("The destination does not respond. Sending will be retried."),
        "association_rejected": gettext_noop(
            "The destination rejects the association. Enter Chestline's AE title {title} and"
            " address there; sending will be retried."
        ),
        "not_negotiated": gettext_noop(
            "The destination does not accept objects of this kind ({kind})."
        ),
        "not_allowed": gettext_noop(
            "The destination denies access ({answer}). Check the token; sending will be retried."
        ),
        "token_unreadable": gettext_noop(
            "The token cannot be decrypted, because a key was removed from SECOND_FACTOR_KEYS."
            " Enter it again."
        ),
        "no_answer": gettext_noop(
            "The connection ended before it was acknowledged. It is sent again under the same UID,"
            " so that nothing is stored twice."
        ),
        "not_a_server": gettext_noop(
            "It responds with {answer}, like a proxy or some other server. Check the URL and what"
            " is behind it; sending will be retried."
        ),
        "host_invalid": gettext_noop("The host name is invalid. Correct it under Destinations."),
        "certificate_unreadable": gettext_noop(
            "A certificate cannot be read. Check DELIVERY_CA, DICOM_TLS_CERTIFICATE and"
            " DICOM_TLS_KEY; sending will be retried."
        ),
        "busy": gettext_noop("It cannot accept it at present ({answer}). Sending will be retried."),
        "rejected_by_destination": gettext_noop("It rejects the object ({answer})."),
        "confirmation_waits": gettext_noop(
            "Storage commitment has been requested. The destination has not reported back yet."
        ),
        "commitment_not_offered": gettext_noop(
            "The destination does not offer storage commitment. Enable it there for Chestline, or"
            " switch off ‘Confirm storage’ under Destinations."
        ),
        "not_confirmed": gettext_noop(
            "The destination has accepted the object, but has not reported within a day whether it"
            " is stored. Check that its storage commitment reports reach Chestline's DICOM"
            " receiver, then send it again."
        ),
        "not_asked": gettext_noop(
            "The destination has accepted the object. Whether it is stored could not be checked;"
            " the check will be repeated."
        ),
        "never_asked": gettext_noop(
            "The destination has accepted the object, but for a day it could not be checked whether"
            " it is stored. Look for it there, and send it again if it is missing."
        ),
        "missing_there": gettext_noop(
            "The destination accepted the object but does not have it ({answer}). It will be sent"
            " again."
        ),
        "not_kept": gettext_noop(
            "The destination has accepted the object several times but does not have it ({answer})."
            " Find out there what becomes of it, then send it again."
        ),
        "being_read": gettext_noop(
            "The study is being read again, or by a second reader. It waits until that is signed."
        ),
        "identity_corrected": gettext_noop(
            "The patient's identity was corrected after the signature. It waits until its reader"
            " amends the read, which is then sent instead."
        ),
        "identity_temporary": gettext_noop(
            "The patient is not identified yet. It waits until the study is assigned to its"
            " patient."
        ),
        "not_chosen": gettext_noop(
            "This content is no longer sent there. Choose it again there, or cancel the delivery."
        ),
        "demonstration": gettext_noop("Demonstration studies are not sent."),
        "file_away": gettext_noop("The image's file cannot be read. Sending will be retried."),
        "in_colour": gettext_noop(
            "The image is in colour. There are presentation states of grayscale images only."
        ),
        "superseded": gettext_noop("A newer version is sent instead."),
        "cancelled_by_person": gettext_noop("A user cancelled it."),
        "destination_removed": gettext_noop("The destination was removed."),
        "fhir_version": gettext_noop(
            "Its FHIR version is {answer}. Chestline sends FHIR R4 (4.0.1)."
        ),
        "fhir_lacks": gettext_noop(
            "It states that it does not support what Chestline needs: {what}."
        ),
        "file_stays_away": gettext_noop(
            "The image's file could not be read for about a day. Upload the same file again, or"
            " restore it from a backup; then send the delivery again."
        ),
        "internal": gettext_noop("It cannot be sent ({error}). Sending will be retried."),
        "not_sent": gettext_noop(
            "It cannot be sent ({error}); the log of the sending process says where. Report it as a"
            " fault of Chestline, and send it again once that is corrected."
        ),
        "not_made": gettext_noop(
            "The document cannot be created ({error}); the log of the sending process says where."
            " Report it as a fault of Chestline, and send it again once that is corrected."
        ),
        "finding_unknown": gettext_noop(
            "The read has the finding ‘{finding}’, which is of a newer release than the sending"
            " process and has no code there. Bring the process to the release of the portal, then"
            " send it again."
        ),
    }
)
