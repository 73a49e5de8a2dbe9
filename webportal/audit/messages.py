"""Names of the objects of entries, and findings of a verification, in the page's language."""

from django.utils.translation import gettext_lazy as _

OBJECTS = {
    "addendum": _("addendum"),
    "audit_entry": _("entry of the audit trail"),
    "backup": _("backup"),
    "batch": _("upload"),
    "commitment": _("storage commitment"),
    "correction": _("correction of an identity"),
    "delivery": _("delivery of a document"),
    "department": _("department"),
    "destination": _("destination"),
    "emergency": _("emergency access"),
    "erasure": _("erasure"),
    "file": _("stored file"),
    "hold": _("legal hold"),
    "job": _("job"),
    "model": _("model version"),
    "node": _("DICOM node"),
    "notification": _("notification"),
    "order": _("order"),
    "order_source": _("source of orders"),
    "patient": _("patient"),
    "prior_request": _("query for prior studies"),
    "queue": _("queue"),
    "radiograph": _("radiograph"),
    "read": _("read"),
    "received_instance": _("received instance"),
    "research_export": _("research export"),
    "removal_pause": _("pause of the removal of files"),
    "role_request": _("request for roles"),
    "shadow": _("shadow trial of a model version"),
    "study": _("study"),
    "text_template": _("text template"),
    "token": _("API token"),
    "upload_item": _("uploaded file"),
    "user": _("user"),
    "worker": _("worker"),
}

# Findings are stored by code and translated when shown.
PROBLEMS = {
    # The chain
    "deleted": _("entry {number} was deleted"),
    "deleted_range": _("entries {number} to {last} were deleted"),
    "not_following": _("the entry does not follow from the one before it"),
    "altered": _("the entry was altered"),
    "blanked": _(
        "the details of the entry are gone, or what is left of it was altered, without an erasure"
        " that says so: it was changed outside the portal. Compare with a backup."
    ),
    "not_blank": _(
        "the details of the entry are there although erasure {number} removed them: they were put"
        " back outside the portal"
    ),
    "key_missing": _(
        "entries {number} to {last} cannot be verified, because their key {key} is missing: they"
        " may have been altered. Add the key to AUDIT_OLD_KEYS, and verify again."
    ),
    "key_change_forged": _(
        "the entry claims that the key of the trail changed, but lacks the signatures for it: it"
        " was altered, or inserted by somebody else"
    ),
    "head_names_other_key": _(
        "the head of the chain names the key {named}, although the trail has {key} according to its"
        " entries: it was changed outside the portal"
    ),
    "key_not_begun": _(
        "the last entries have the key {key}, although AUDIT_KEY is another one, {named}. If it is"
        " new, run ‘manage.py rotate_audit_key’ once every process has it. If that was done"
        " before, the trail was put back to an older state, or rewritten."
    ),
    "cut_off": _("the trail was cut off: entries {number} to {last} are missing"),
    "not_the_head": _("the last entry is not the head of the chain"),
    "after_the_head": _("the entry stands after the head of the chain"),
    "no_append": _(
        "the head of the chain does not match the last entry, so that nothing can be appended;"
        " this verification is not in the trail"
    ),
    "no_head": _(
        "the head of the chain is missing from the database, so that nothing can be appended."
        " Restore the latest backup beside the database, and compare."
    ),
    # The records
    "row_without_entry": _(
        "it is in the database, but has no entry in the trail: it was inserted outside the "
        "portal. Compare with a backup, and ask the people who are named in it."
    ),
    "row_missing": _(
        "according to the trail it was created, but it is missing from the database: it was "
        "deleted outside the portal. Fetch it from a backup."
    ),
    "row_differs": _(
        "the database differs from the trail ({fields}): it was changed outside the portal. "
        "Compare with a backup, and with its entries in the trail."
    ),
    "row_orphaned": _(
        "what it belongs to is not in the database: one of the two was changed or deleted "
        "outside the portal. Compare with a backup, and with its entries in the trail."
    ),
    "summary_differs": _(
        "the worklist differs from the results of its images ({fields}): it was changed "
        "outside the portal. Look at the results on the study’s page."
    ),
    # The access log
    "access_differs": _(
        "the access log of {day} (UTC) is not as it was sealed: it has {entries} entries, and had"
        " {sealed}. Entries were changed, removed or inserted outside the portal. Compare with a"
        " backup."
    ),
    # The anchors
    "other_than_anchored": _(
        "the entry does not match its anchor: the chain was rewritten up to here"
    ),
    "anchors_gone": _(
        "{place}: the anchors are gone. {last} had been written. Somebody removed the file, or it"
        " is looked for in the wrong place: check AUDIT_ANCHOR_FILE and AUDIT_ANCHOR_COPY, and"
        " that this is the scheduler’s host. Without the file a cut-off end of the trail does not"
        " show: fetch it from a backup or the second place, and verify again."
    ),
    "anchors_missing": _(
        "{place}: anchors {number} to {last} are missing. The file was shortened, or an older copy"
        " of it put back. Fetch the missing lines from a backup or the second place, and verify"
        " again."
    ),
    "anchors_never_written": _(
        "no anchor was ever written, although the trail has been growing for longer than"
        " {minutes} minutes, so that a cut-off end would not show. Check that the scheduler runs"
        " and may write AUDIT_ANCHOR_FILE. If anchors were written before, somebody removed them."
    ),
    "anchors_late": _(
        "no anchor was written after {at}, although one is due every {due} minutes, so that a"
        " cut-off end of the trail since then would not show. Check that the scheduler runs and"
        " may write AUDIT_ANCHOR_FILE. If it does, lines of the file or the database were put back"
        " to an older state: compare with the second place."
    ),
    "unanchored": _(
        "up to this entry no anchor was written for longer than {minutes} minutes in which the"
        " trail grew. Either the scheduler was stopped then, or anchors were removed: compare with"
        " the second place and with backups. When it is clear what happened, go on with"
        " ‘manage.py anchor_audit --begin-anew’."
    ),
    "anchors_damaged": _("{place}: the anchor file is damaged: {count} unreadable (line {lines})"),
    "anchors_unverified": _(
        "{place}: anchors {first} to {last} cannot be verified, because their key {key} is missing."
        " Add it to AUDIT_OLD_KEYS, and verify again."
    ),
    "anchor_forged": _(
        "{place}: anchor {number} does not have the signature of the key that the trail had then:"
        " the line was altered, or inserted by somebody else. Compare with the second place."
    ),
    "anchor_unsigned": _(
        "{place}: line {number} is an anchor without a signature, after anchors were signed:"
        " somebody inserted it. Compare with the second place."
    ),
    "anchor_out_of_line": _(
        "{place}: anchor {number} does not follow from the one before it: lines were removed, or"
        " come from another history. Compare with the second place."
    ),
    "anchors_before": _(
        "{place}: the anchors without a signature from before an upgrade are not those that anchor"
        " 1 was written after. Compare with the second place and with backups."
    ),
    "trail_turned_back": _(
        "{place}: anchor {number} stands for an earlier entry than the one before it: the trail was"
        " put back to an older state. If a backup was restored, say so with ‘manage.py"
        " anchor_audit --begin-anew’."
    ),
    "state_altered": _(
        "what the database records of the last anchor was altered or reset. Compare the anchors"
        " with the second place and with backups; when it is clear what happened, continue with"
        " ‘manage.py anchor_audit --begin-anew’."
    ),
}

# Remarks: no sign of tampering, but worth knowing.
REMARKS = {
    "no_anchor_yet": _(
        "No anchor has been written yet, so a cut-off end would not show; is the scheduler running?"
    ),
    "key_of": _("Entries {first} to {last} and {anchors} anchors were checked with the key {key}."),
    "begun_anew": _(
        "A new series of anchors was started with number {number}, because: {reason}. Earlier"
        " ones are not compared."
    ),
}
