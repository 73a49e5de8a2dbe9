"""Patients, studies, radiographs and corrections compared with the audit trail."""

from collections.abc import Collection, Iterator
from typing import Any

from webportal.audit.erasure import is_blank
from webportal.audit.models import Action, AuditEntry
from webportal.audit.reconciliation import Check, Entries, differing_fields, last_recorded
from webportal.records.identity import identity_version, shown_identity, version_of
from webportal.records.models import (
    CorrectionSeen,
    IdentityCorrection,
    Patient,
    Radiograph,
    Study,
)

# These entries name the patient that the study had at the time.
_SIGNED = (Action.READ_SIGNED, Action.READ_AMENDED, Action.ADDENDUM_SIGNED)


def _differences_of_patient(patient: Patient, entries: Entries) -> Iterator[str]:
    recorded: dict[str, str] = {}
    # A correction goes blank with one of the patient's studies: what it said is not known.
    since = next((n for n in range(len(entries), 0, -1) if is_blank(entries[n - 1])), 0)
    for entry in entries[since:]:
        recorded |= entry.detail.get("after", {})
    fields = differing_fields(recorded, shown_identity(patient))
    version = last_recorded(entries[since:], "identity_sha256")
    if version not in (None, identity_version(patient)):
        fields = fields or ["identity"]
    yield from fields


def _removed_patients(keys: Collection[str]) -> set[str]:
    entries = AuditEntry.objects.filter(
        action=Action.PATIENT_CHANGED, object_id__in=keys, detail__has_key="removed"
    )
    return set(entries.values_list("object_id", flat=True))


def _differences_of_study(study: Study, entries: Entries) -> list[str]:
    recorded: dict[str, Any] = {"assigned_reader": ""}
    for entry in entries:
        detail = entry.detail
        if entry.action == Action.IDENTITY_CORRECTED:
            detail = detail.get("after", {})
        elif "to" in detail:
            what = "assigned_reader" if detail.get("fields") == ["assigned_reader"] else "patient"
            recorded[what] = detail["to"]
            continue
        recorded |= {name: detail[name] for name in _OF_A_STUDY if name in detail}
    return differing_fields(
        recorded,
        {
            "patient": str(study.patient_id),
            "study_instance_uid": study.study_instance_uid,
            "priority": study.priority,
            "department": str(study.department_id),
            "assigned_reader": str(study.assigned_reader_id or ""),
        },
    )


_OF_A_STUDY = ("patient", "study_instance_uid", "priority", "department")


def _differences_of_radiograph(radiograph: Radiograph, entries: Entries) -> Iterator[str]:
    [stored] = entries[:1]
    if stored.study_id != radiograph.study_id:
        yield "study"
    recorded = {"original_sha256": stored.detail.get("sha256"), **stored.detail}
    for kind in ("original", "dicom"):
        sha256, key = getattr(radiograph, f"{kind}_sha256"), getattr(radiograph, f"{kind}_key")
        yield from differing_fields(recorded, {f"{kind}_sha256": sha256})
        # Files are named by their SHA-256.
        if sha256 not in key:
            yield f"{kind}_key"


def _differences_of_correction(correction: IdentityCorrection, entries: Entries) -> Iterator[str]:
    entry = entries[0]
    if entry.actor_id != correction.corrected_by_id:
        yield "corrected_by"
    if entry.detail.get("reason") != correction.reason:
        yield "reason"
    after = correction.after
    version = entry.detail.get("identity_sha256", version_of(after))
    if after != after | entry.detail.get("after", {}) or version != version_of(after):
        yield "after"
    if correction.before != after | entry.detail.get("before", {}):
        yield "before"
    studies = {str(study.pk) for study in correction.studies.all()}
    if studies != {str(entry.study_id) for entry in entries}:
        yield "studies"


def _differences_of_seen(seen: CorrectionSeen, entries: Entries) -> list[str]:
    is_recorded = any(entry.actor_id == seen.reader_id for entry in entries)
    return [] if is_recorded else ["reader"]


CHECKS = [
    Check(
        kind="patient",
        rows=Patient.objects.all,
        made=(Action.PATIENT_CREATED,),
        further=(Action.PATIENT_CHANGED, Action.IDENTITY_CORRECTED),
        differences=_differences_of_patient,
        removed=_removed_patients,
    ),
    Check(
        kind="study",
        rows=Study.objects.all,
        made=(Action.STUDY_CREATED,),
        further=(Action.STUDY_CHANGED,),
        of_study=(Action.IDENTITY_CORRECTED, *_SIGNED),
        differences=_differences_of_study,
    ),
    Check(
        kind="radiograph",
        rows=Radiograph.objects.all,
        made=(Action.RADIOGRAPH_STORED,),
        differences=_differences_of_radiograph,
    ),
    Check(
        kind="correction",
        rows=lambda: IdentityCorrection.objects.prefetch_related("studies"),
        made=(Action.IDENTITY_CORRECTED,),
        differences=_differences_of_correction,
        named="correction",
    ),
    Check(
        kind="correction",
        rows=CorrectionSeen.objects.all,
        made=(Action.CORRECTION_SEEN,),
        differences=_differences_of_seen,
        key="correction_id",
        named="correction",
        is_kept=False,
    ),
]
