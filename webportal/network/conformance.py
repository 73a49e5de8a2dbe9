"""The tables of the conformance statement (docs/dicom.md), from what the receiver negotiates."""

from webportal import dicom_status
from webportal.intake.checks.wrapping import IMPLEMENTATION_UID
from webportal.network import commitment, scu
from webportal.network.sop_classes import (
    CAPTURE,
    COMMITMENT,
    DOCUMENTS,
    IMAGE_SYNTAXES,
    IMAGES,
    OTHERS,
    PLAIN_SYNTAXES,
    QUERIES,
    VERIFICATION,
    WORKLIST,
    name_of,
)

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"

_STATUSES = (
    (dicom_status.SUCCESS, "the instance and its record are on the disk"),
    (dicom_status.PROCESSING_FAILURE, "the database does not respond; send it again"),
    (dicom_status.NOT_AUTHORIZED, "the caller is admitted only to report on storage commitment"),
    (
        dicom_status.OUT_OF_RESOURCES,
        "the disk has too little space, or cannot be written to; send it again",
    ),
    (dicom_status.NOT_MATCHING, "it was retrieved as a prior, but belongs to another patient"),
    (
        dicom_status.CANNOT_UNDERSTAND,
        "the data set cannot be read as DICOM, or the Affected SOP Instance UID contains a NUL",
    ),
)
_ACTIONS = (
    (dicom_status.SUCCESS, "the request is recorded; the report follows"),
    (dicom_status.PROCESSING_FAILURE, "the database does not respond; request it again"),
    (dicom_status.NO_SUCH_INSTANCE, "the Requested SOP Instance UID is not the well-known one"),
    (
        dicom_status.INVALID_ARGUMENT,
        "no Transaction UID or no instance; or the UID was used for other instances before",
    ),
    (dicom_status.NO_SUCH_ACTION, "the action type is not 1"),
    (dicom_status.NOT_AUTHORIZED, "the caller is admitted only to report on storage commitment"),
    (dicom_status.RESOURCE_LIMITATION, f"more than {commitment.MOST_INSTANCES:,} instances"),
)
_FAILURES = (
    (
        dicom_status.PROCESSING_FAILURE,
        "it was refused or discarded, its file is damaged, or intake has not finished with it",
    ),
    (dicom_status.NO_SUCH_INSTANCE, "there is no such instance"),
    (dicom_status.CLASS_CONFLICT, "the instance is of another SOP class"),
)
_REJECTIONS = (
    (
        "permanent, service user, 3",
        "the calling AE title is unknown, inactive or at another address",
    ),
    ("permanent, service user, 7", "the called AE title is not the receiver's"),
    (
        "transient, presentation, 2",
        "too many associations in total or of this node, or the database does not respond",
    ),
)


def tables() -> str:
    """Return the tables in Markdown."""
    lines = [
        f"Implementation Class UID `{IMPLEMENTATION_UID}`, implementation version name"
        f" `{scu.IMPLEMENTATION_NAME}`.",
        "",
        "| SOP class | UID | role | transfer syntaxes |",
        "| --- | --- | --- | --- |",
        f"| {name_of(VERIFICATION)} | `{VERIFICATION}` | SCP, SCU | plain |",
        f"| {name_of(COMMITMENT)} | `{COMMITMENT}` | SCP, SCU | plain |",
        f"| {name_of(WORKLIST)} | `{WORKLIST}` | SCU | plain |",
        *(f"| {name_of(each)} | `{each}` | {_of_image(each)} | all below |" for each in IMAGES),
        *(f"| {name_of(each)} | `{each}` | {_role(each)} | plain |" for each in OTHERS),
        *(f"| {name_of(each)} | `{each}` | SCU | plain |" for each in QUERIES),
        "",
        "| transfer syntax | UID | plain |",
        "| --- | --- | --- |",
        *(
            f"| {name_of(each)} | `{each}` | {'yes' if each in PLAIN_SYNTAXES else 'no'} |"
            for each in IMAGE_SYNTAXES
        ),
        "",
        "| status of C-STORE | meaning |",
        "| --- | --- |",
        *(f"| 0x{code:04X} | {meaning} |" for code, meaning in _STATUSES),
        "",
        "| status of N-ACTION | meaning |",
        "| --- | --- |",
        *(f"| 0x{code:04X} | {meaning} |" for code, meaning in _ACTIONS),
        "",
        "| Failure Reason of an instance | meaning |",
        "| --- | --- |",
        *(f"| 0x{code:04X} | {meaning} |" for code, meaning in _FAILURES),
        "",
        "| association rejected (result, source, reason) | when |",
        "| --- | --- |",
        *(f"| {code} | {meaning} |" for code, meaning in _REJECTIONS),
    ]
    return "\n".join(lines)


def _of_image(sop_class: str) -> str:
    return "SCP, SCU (plain or JPEG Baseline)" if sop_class == CAPTURE else "SCP"


def _role(sop_class: str) -> str:
    return "SCP if kept, SCU" if sop_class in DOCUMENTS else "SCP if kept"


def fill_in(document: str) -> str:
    """Return a document with the current tables between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"
