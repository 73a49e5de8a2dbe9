"""The data that an erasure deletes, determined each time it is shown, confirmed or carried out."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from ml.images import ImageFacts
from webportal.audit.erasure import ERASED_BY
from webportal.audit.models import Action, AuditEntry
from webportal.erasure import elsewhere, files
from webportal.erasure.elsewhere import Elsewhere
from webportal.erasure.rows import Rows, with_dependants
from webportal.erasure.traces import Traces, header_of
from webportal.intake.cases import lookup
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.network.models import ReceivedInstance
from webportal.orders.models import Order, OrderedStudy
from webportal.records.models import Patient, Radiograph, Study
from webportal.review.models import Addendum, Read

#: Models whose rows must be part of the confirmed list; all others depend on them.
_CONFIRMED = (Patient, Study, Radiograph, Read, Addendum, UploadItem, Order)


@dataclass
class Plan:
    """Everything to be erased.

    Args:
        patient: the patient to erase; None if only a study is erased.
        studies: ids of the studies.
        rows: primary keys of the rows, by model.
        files: keys of the files, in the format of `files`.
        hashes: SHA-256 of received and stored files.
        former: temporary patients that were removed when their studies were identified.
        elsewhere: mentions of the patient in rows that are kept.
        kept: ids of other patients' studies that were once recorded under this identity.
        undecided: held files that may be the patient's or somebody else's; they stay.
        others: keys of files without a record that belong to none of the studies.
        unreadable: keys of files that nobody can tell whose they are.
    """

    patient: Patient | None
    studies: set[UUID]
    rows: Rows
    files: set[str]
    hashes: set[str]
    former: set[str] = field(default_factory=set)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    kept: set[UUID] = field(default_factory=set)
    undecided: set[UUID] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)

    @property
    def entries(self) -> QuerySet[AuditEntry]:
        """Audit entries whose details are erased."""
        own = [str(key) for keys in self.rows.values() for key in keys if isinstance(key, UUID)]
        # Studies that are kept belong to another patient now, as do their entries.
        here = Q(study_id=None) | Q(study_id__in=self.studies)
        about = Q(object_id__in=[*own, *self.former]) & here | Q(study_id__in=self.studies)
        # Entries of erasures stay as they are, and so do those already erased.
        entries = AuditEntry.objects.filter(about | Q(sequence__in=self.elsewhere.entries))
        return entries.exclude(detail__has_key=ERASED_BY).exclude(action=Action.RECORDS_ERASED)

    @property
    def counts(self) -> dict[str, int]:
        """Counts of erased data, by the codes of KINDS in `messages`."""
        counted = {model._meta.label_lower: len(keys) for model, keys in self.rows.items()}
        inbox = sum(key.startswith(files.INBOX) for key in self.files)
        counted |= {"files": len(self.files) - inbox, "inbox": inbox}
        counted["entries"] = self.entries.count()
        return {
            code: number for code, number in (counted | self.elsewhere.counts).items() if number
        }

    @property
    def digest(self) -> str:
        """Digest of the list to confirm, unaffected by side effects of viewing it (notifications).

        It does not cover the DICOM inbox, which the scheduler can read but the portal cannot.
        """
        stored = (key for key in self.files if not key.startswith(files.INBOX))
        parts = [
            f"{each._meta.label} {key}" for each in _CONFIRMED for key in self.rows.get(each, ())
        ]
        return hashlib.sha256("\n".join(sorted([*parts, *stored])).encode()).hexdigest()


def of_patient(patient: Patient) -> Plan:
    """All data of a patient, including files that are not recorded."""
    studies = list(patient.studies.all())
    traces = Traces.of(patient, studies)
    unreadable: set[str] = set()
    held = files.held(unreadable)
    undecided = {item.pk for item, data in held if _may_be_of(traces, item, data)}
    lost: set[str] = set()
    others: set[str] = set()
    for key, data in files.without_record(unreadable):
        facts = header_of(data)
        if facts is not None and traces.are_in_header(facts):
            (lost if traces.are_of_studies(facts) else others).add(key)
    roots: dict[Any, Iterable[Any]] = {
        Patient: [patient.pk],
        UploadItem: _named_items(traces, [study.pk for study in studies]),
        ReceivedInstance: _received(traces, unreadable),
        Order: _orders_of_patient(traces),
    }
    plan = _plan(patient, {study.pk for study in studies}, roots)
    plan.files |= lost | others
    batches = UploadItem.objects.filter(pk__in=plan.rows.get(UploadItem, ()))
    plan.elsewhere = elsewhere.find(
        traces,
        patient,
        batches=set(batches.values_list("batch", flat=True)) - plan.rows.get(UploadBatch, set()),
        items=plan.rows.get(UploadItem, set()),
    )
    plan.kept = _kept(patient, plan.studies)
    plan.undecided, plan.others, plan.unreadable = undecided, others, unreadable

    def is_of_patient(facts: ImageFacts) -> bool:
        is_denied = traces.are_denied_in_header(facts)
        return traces.are_surely_in_header(facts) or (
            traces.are_of_studies(facts) and not is_denied
        )

    _add_beside_inbox(plan, is_of_patient)
    return plan


def of_study(study: Study) -> Plan:
    """The data of one study, without the patient."""
    plan = _plan(None, {study.pk}, {Study: [study.pk]})
    _add_beside_inbox(plan, lambda facts: facts.study_instance_uid == study.study_instance_uid)
    return plan


def _add_beside_inbox(plan: Plan, is_of: Callable[[ImageFacts], bool]) -> None:
    """Add files in the inbox's folder without a row: by the same bytes, or by their header."""
    for key, data in files.beside_inbox(plan.unreadable):
        sha256 = hashlib.sha256(data).hexdigest()
        facts = header_of(data)
        if sha256 in plan.hashes or (facts is not None and is_of(facts)):
            plan.files.add(key)
            plan.hashes.add(sha256)
        elif facts is None:
            plan.unreadable.add(key)


def of_files(items: Iterable[Any], received: Iterable[Any]) -> Plan:
    """The data of files that belong to no study."""
    return _plan(None, set(), {UploadItem: items, ReceivedInstance: received})


def _plan(patient: Patient | None, studies: set[UUID], roots: dict[Any, Iterable[Any]]) -> Plan:
    images = Radiograph.objects.filter(study__in=studies)
    hashes = {sha for each in images for sha in (each.original_sha256, each.dicom_sha256)}
    # The same content sent again, or refused before it was accepted.
    same = UploadItem.objects.filter(sha256__in=hashes).exclude(verdict=Verdict.HELD)
    same = same.filter(Q(radiograph=None) | Q(radiograph__study__in=studies))
    received = ReceivedInstance.objects.filter(sha256__in=hashes)
    more: dict[Any, Iterable[Any]] = {
        UploadItem: {*roots.get(UploadItem, ()), *same.values_list("pk", flat=True)},
        ReceivedInstance: {
            *roots.get(ReceivedInstance, ()),
            *received.values_list("pk", flat=True),
        },
        Order: {*roots.get(Order, ()), *_orders_of_studies(studies)},
    }
    rows = with_dependants({**roots, **more})
    batches = _emptied_batches(rows)
    if batches:
        rows = with_dependants({**rows, UploadBatch: batches})
    items = list(UploadItem.objects.filter(pk__in=rows.get(UploadItem, ())))
    instances = list(ReceivedInstance.objects.filter(pk__in=rows.get(ReceivedInstance, ())))
    keys = {*files.of_images(images), *files.of_items(items)}
    keys |= {f"{files.INBOX}{row.file_name}" for row in instances if row.has_file}
    hashes |= {item.sha256 for item in items if item.held_key or item.radiograph_id}
    hashes |= {row.sha256 for row in instances}
    removed = AuditEntry.objects.filter(
        action=Action.PATIENT_CHANGED, study_id__in=studies, detail__has_key="removed"
    )
    former = set(removed.values_list("object_id", flat=True))
    return Plan(patient, studies, rows, keys, hashes, former)


def _may_be_of(traces: Traces, item: UploadItem, data: bytes) -> bool:
    """Whether a held file has the patient's ID, in its header or in the case record with it."""
    record = lookup.record_for(item.batch, item.file_name)
    own = (traces.patient.patient_id, traces.patient.issuer)
    if record is not None and (record.patient_id, record.issuer) == own:
        return True
    facts = header_of(data)
    return facts is not None and traces.concern(facts)


def _received(traces: Traces, unreadable: set[str]) -> set[UUID]:
    """Instances of the patient's studies, and inbox files that are certainly the patient's."""
    found = ReceivedInstance.objects.filter(study_instance_uid__in=traces.study_uids)
    received = set(found.values_list("pk", flat=True))
    for row, data in files.in_inbox(unreadable):
        facts = header_of(data)
        if facts is None:
            if row.pk not in received:
                unreadable.add(f"{files.INBOX}{row.file_name}")
            continue
        if traces.are_surely_in_header(facts):
            received.add(row.pk)
        elif traces.are_denied_in_header(facts):
            received.discard(row.pk)
    return received


def _named_items(traces: Traces, studies: Iterable[UUID]) -> set[UUID]:
    """Refused and discarded files with the patient's full name, or part of it in their batches."""
    beside = set(
        UploadItem.objects.filter(radiograph__study__in=studies).values_list("batch", flat=True)
    )
    others = UploadItem.objects.filter(verdict__in=[Verdict.REFUSED, Verdict.DISCARDED])
    return {
        item.pk
        for item in others.only("file_name", "batch").iterator()
        if (traces.are_in if item.batch_id in beside else traces.are_surely_in)(item.file_name)
    }


def _orders_of_studies(studies: set[UUID]) -> set[UUID]:
    """The orders of these studies and of no others."""
    links = OrderedStudy.objects.filter(study__in=studies).values("order")
    others = OrderedStudy.objects.exclude(study__in=studies).values("order")
    found = Order.objects.filter(pk__in=links).exclude(pk__in=others)
    return set(found.values_list("pk", flat=True))


def _orders_of_patient(traces: Traces) -> set[UUID]:
    """The orders with the patient's ID, except those linked to somebody else's study."""
    own = Order.objects.filter(patient_ids__contains=[{"id": traces.patient.patient_id}])
    others = OrderedStudy.objects.exclude(study__patient=traces.patient).values("order")
    return {
        order.pk
        for order in own.exclude(pk__in=others)
        if any(traces.have_id(each["id"], each["issuer"]) for each in order.patient_ids)
    }


def _emptied_batches(rows: Rows) -> set[UUID]:
    items = rows.get(UploadItem, set())
    batches = set(UploadItem.objects.filter(pk__in=items).values_list("batch", flat=True))
    left = UploadItem.objects.filter(batch__in=batches).exclude(pk__in=items)
    received = ReceivedInstance.objects.filter(batch__in=batches)
    received = received.exclude(pk__in=rows.get(ReceivedInstance, set()))
    busy = {*left.values_list("batch", flat=True), *received.values_list("batch", flat=True)}
    return batches - busy


def _kept(patient: Patient, studies: set[UUID]) -> set[UUID]:
    """Other patients' studies once moved from this patient or corrected under this identity."""
    moved = AuditEntry.objects.filter(
        action__in=[Action.STUDY_CHANGED, Action.IDENTITY_CORRECTED],
        detail__before__patient=str(patient.pk),
    )
    there = {entry.study_id for entry in moved if entry.study_id} - studies
    return set(Study.objects.filter(pk__in=there).values_list("pk", flat=True))
