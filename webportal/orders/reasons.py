"""Why a message or a response was not accepted, by code; they name fields, never their values."""

from django.utils.translation import gettext_noop

from webportal.reasons import register

register(
    {
        "message_too_long": gettext_noop("The message is longer than ORDERS_MESSAGE_BYTES."),
        "message_unreadable": gettext_noop(
            "Line {line} is not an HL7 segment; a message begins with MSH and its delimiters."
        ),
        "character_set": gettext_noop("The character set in MSH-18 is not supported."),
        "characters": gettext_noop(
            "The message contains bytes that are invalid in its character set (MSH-18)."
        ),
        "control_id": gettext_noop("MSH-10 is empty or longer than 199 characters."),
        "control_id_reused": gettext_noop(
            "MSH-10 is that of an earlier message with different content."
        ),
        "message_type": gettext_noop("MSH-9 is not ORM^O01, OMI^O23 or OMG^O19."),
        "processing_id": gettext_noop("MSH-11 is not P: only production messages are accepted."),
        "version": gettext_noop("The HL7 version in MSH-12 is not 2.3 to 2.8."),
        "segment_missing": gettext_noop("The segment {segment} is missing."),
        "segment_repeated": gettext_noop("There is more than one segment {segment}."),
        "segment_misplaced": gettext_noop("A segment {segment} precedes the first ORC."),
        "field_missing": gettext_noop("{field} is empty."),
        "field_invalid": gettext_noop("{field} cannot be used as it is."),
        "several_accessions": gettext_noop("An order has several accession numbers ({field})."),
        "order_control": gettext_noop("The order control code in ORC-1 is not supported."),
        "order_ambiguous": gettext_noop(
            "Several orders have this accession number; ORC-2 has to say which one it is."
        ),
        "worklist_several_patients": gettext_noop(
            "The worklist has this accession number for several patients, and none of them has the"
            " study’s Patient ID."
        ),
        "worklist_too_many": gettext_noop(
            "The worklist does not search by accession number: it returned more items than are"
            " looked through."
        ),
        "worklist_error": gettext_noop("The worklist answered with the error {status}."),
        "worklist_not_offered": gettext_noop(
            "The device answers, but offers no Modality Worklist to Chestline."
        ),
        "worklist_unreadable": gettext_noop("The worklist returned an item that cannot be read."),
        "worklist_unexpected": gettext_noop("The answer of the worklist could not be processed."),
        "worklist_no_answer": gettext_noop("The worklist did not answer the query."),
        "not_now": gettext_noop("It cannot be stored at present. Send it again."),
    }
)
