"""Labels of the kinds of erased data, and messages for obstacles, by code."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

OBSTACLES: dict[str, str | Promise] = {
    "hold": _("There is a legal hold. Hospital IT can lift it under Retention."),
    "unread": _("A study has not been read. Let it be read first."),
    "second_read": _("A study waits for its second read. Let it be read first."),
    "being_read": _("A study is being read. Try again when its reader has left it."),
    "job": _("An image is waiting for the model, or being analysed. Try again later."),
    "emergency": _(
        "An emergency access to the patient is running or waits for its review. Let an auditor"
        " review it first."
    ),
    "arriving": _(
        "Images are arriving over the DICOM network. Try again once they have been imported."
    ),
    "held_files": _(
        "Held files have this Patient ID, or belong to a study of the patient: they may be somebody"
        " else’s. Decide on the held files first."
    ),
    "not_due": _("It is no longer due."),
    "changed": _("There is more than was confirmed. Look at the list again."),
}
WAITING: dict[str, str | Promise] = {
    "backup": _("A backup is under way; files are removed when it is done."),
    "storage": _(
        "The storage cannot be reached, or its volume is not mounted; the erasure continues when it"
        " is back."
    ),
    "inbox": _(
        "The DICOM inbox cannot be reached: mount DICOM_INBOX where the scheduler runs; the erasure"
        " continues then."
    ),
    "repository": _(
        "BACKUP_REPOSITORY cannot be reached, or has none of the backups that were made. It has to"
        " know of the erasure: a restored backup would bring the patient back."
    ),
    "busy": _("Somebody is deciding on one of the files; the erasure continues within a minute."),
    "key": _(
        "A key of the audit trail with which entries about the patient were made is missing. Add it"
        " to AUDIT_OLD_KEYS where the scheduler runs, and start it again; the erasure continues"
        " then."
    ),
    **OBSTACLES,
}
# By model label, or by a code for anything that is not a model.
KINDS: dict[str, str | Promise] = {
    "records.patient": _("Patients"),
    "records.study": _("Studies"),
    "records.studysearch": _("Entries of the search index"),
    "records.series": _("Series"),
    "records.radiograph": _("Images"),
    "records.filefault": _("Faults in stored files"),
    "records.identitycorrection": _("Corrections of an identity"),
    "records.identitycorrection_studies": _("Studies under a correction of an identity"),
    "records.correctionseen": _("Acknowledgements of a correction"),
    "records.emergencyaccess": _("Emergency accesses"),
    "inference.job": _("Inference jobs"),
    "inference.prediction": _("Model results"),
    "oversight.shadowresult": _("Results of a version in shadow mode"),
    "review.read": _("Reads, including drafts"),
    "review.addendum": _("Addenda"),
    "review.secondreading": _("Assignments of second reads"),
    "review.reservation": _("Reservations of a study for reading"),
    "review.imageview": _("Records of images displayed"),
    "intake.uploaditem": _("Uploaded files, including held and refused ones"),
    "intake.uploadbatch": _("Uploads without another file"),
    "orders.order": _("Orders"),
    "orders.orderedstudy": _("Links between orders and studies"),
    "orders.orderquestion": _("Queries to worklists"),
    "research.exportedstudy": _("Links between studies and research exports"),
    "delivery.document": _("Documents made for other systems"),
    "delivery.delivery": _("Deliveries of documents"),
    "delivery.movedstudy": _("Records of studies moved from another patient"),
    "network.priorrequest": _("Queries to a PACS for prior studies"),
    "network.priorstudy": _("Prior studies found on a PACS"),
    "network.receivedinstance": _("Instances received over the DICOM network"),
    "notifications.notification": _("Notifications"),
    "retention.legalhold": _("Lifted legal holds"),
    "files": _("Stored files, including those in the trash and the quarantine"),
    "inbox": _("Files in the DICOM inbox"),
    "entries": _("Entries of the audit trail whose details are blanked"),
    "accesses": _("Entries of the access log whose search terms are blanked"),
    "names": _("Names and case records of uploads with other files"),
    "searches": _("Searches remembered by open sessions"),
}
