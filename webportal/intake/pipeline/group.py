"""Group: plain files of one request are stored in one transaction, with few statements.

A plain file is new and raises no doubts. Any other is left to `store`, which stores it by itself.
Like a single file, a group waits only for requests that store the same contents, patients or
studies. Locks are taken in the same order everywhere: contents, images, the batch (if it has a
sheet), studies, patients, accession numbers, head of the trail; within each kind in key order.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from webportal.audit.trail import Event, append_all
from webportal.database.rows import insert_in_order
from webportal.intake.cases import lookup
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks.doubts import check_certain
from webportal.intake.checks.image_file import CheckedImage
from webportal.intake.claimed_identity import differing
from webportal.intake.errors import PatientDoubtError, RefusedError
from webportal.intake.models import IdentityMode, UploadItem, Verdict
from webportal.intake.pipeline import match, store
from webportal.intake.pipeline.identify import Claim
from webportal.intake.pipeline.series import new_series, series_uid
from webportal.intake.pipeline.upload import Upload
from webportal.orders.linking import lock_numbers
from webportal.records.choices import ReadingState
from webportal.records.models import Patient, Series, Study

#: The limits of a group. The larger it is, the longer its transaction holds its locks and the more
#: memory it needs, and beyond a few files there is little to gain.
MOST_FILES = 16
MOST_BYTES = 16 * 1024**2

T = TypeVar("T")


def bounded(files: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Divide files into groups within the limits; `size` returns how many bytes of one are held.

    What is raised for a file is raised after those before it, which may still wait for their group
    to fill: it concerns none of them.
    """
    some: list[T] = []
    held = 0
    try:
        for file in files:
            added = size(file)
            if some and (len(some) == MOST_FILES or held + added > MOST_BYTES):
                yield some
                some, held = [], 0
            some.append(file)
            held += added
    except Exception:
        if some:
            yield some
        raise
    if some:
        yield some


@dataclass(frozen=True)
class Ready:
    """A file that has been checked, with its case record, and the patient and study it claims."""

    upload: Upload
    record: CaseRecord | None
    checked: CheckedImage
    claim: Claim

    @property
    def bytes_held(self) -> int:
        """How much of it is in memory."""
        return len(self.upload.data) + len(self.checked.wrapped or b"")


def store_plain(files: Sequence[Ready]) -> list[UploadItem | None]:
    """Store the plain ones among the files of a batch; returns their items, None for the others.

    All of them are stored, or none: whatever is raised, nothing is left behind.
    """
    hashes = [file.upload.sha256 for file in files]
    instances = [file.checked.facts.sop_instance_uid for file in files]
    with store.storing_exclusively(hashes, instances) as put:
        records = _Records(files)
        plain = [file for file in _unknown(files, instances) if records.takes(file)]
        if not plain:
            return [None] * len(files)
        stored = [store.put_files(file.upload, file.checked, put) for file in plain]
        events = records.insert()
        radiographs = [
            store.radiograph_of(
                file.upload, file.checked, records.study_of(file), records.series_of(file), where
            )
            for file, where in zip(plain, stored, strict=True)
        ]
        items = [
            UploadItem(
                **file.upload.key,
                size=file.upload.size,
                verdict=Verdict.ACCEPTED,
                radiograph=radiograph,
            )
            for file, radiograph in zip(plain, radiographs, strict=True)
        ]
        insert_in_order(radiographs, items)
        by = plain[0].upload.by
        events += [
            store.stored_event(file.upload, radiograph)
            for file, radiograph in zip(plain, radiographs, strict=True)
        ]
        events += store.enqueue(
            [
                (radiograph, file.checked)
                for file, radiograph in zip(plain, radiographs, strict=True)
            ],
            by,
        )
        # Last, because the end of the trail stays locked until the transaction ends.
        append_all(events, by)
    by_hash = {item.sha256: item for item in items}
    return [by_hash.get(sha256) for sha256 in hashes]


def _unknown(files: Sequence[Ready], instances: Sequence[str]) -> Iterable[Ready]:
    """The files that are not stored yet; of those with the same content or image, the first."""
    known = store.with_traces([file.upload for file in files], instances)
    hashes: set[str] = set()
    uids: set[str] = set()
    for number, file in enumerate(files):
        sha256, uid = file.upload.sha256, instances[number]
        if number not in known and sha256 not in hashes and uid not in uids:
            yield file
        hashes.add(sha256)
        uids.add(uid)


class _Records:
    """The patients, studies and series of a group: those on record, and those that it creates."""

    def __init__(self, files: Sequence[Ready]) -> None:
        upload = files[0].upload
        self._batch, self._by = upload.batch, upload.by
        self._state = ReadingState.PRIOR if self._batch.is_prior else ReadingState.UNREAD
        self._lines: dict[str, str] = {}
        if self._batch.identity_mode == IdentityMode.SHEET:
            lookup.lock_lines(self._batch)
        uids = {file.claim.study.study_instance_uid for file in files}
        # Locked, so that nobody signs a study without an image that is being added.
        studies = Study.objects.select_for_update(no_key=True).order_by("pk")
        self._found = {
            study.study_instance_uid: study for study in studies.filter(study_instance_uid__in=uids)
        }
        ids = {file.claim.patient.patient_id for file in files}
        self._patients = {
            (patient.patient_id, patient.issuer): patient
            for patient in Patient.objects.filter(patient_id__in=ids)
        }
        self._series = {
            (series.study_id, series.series_instance_uid): series
            for series in Series.objects.filter(study__in=list(self._found.values()))
        }
        self._new_patients: list[Patient] = []
        self._new_studies: dict[str, Study] = {}
        self._new_series: list[Series] = []

    def takes(self, file: Ready) -> bool:
        """Whether the file is plain; what is to be created for it is then noted."""
        try:
            if not self._takes_line(file.upload.file_name):
                return False
            check_certain(file.checked.facts, file.claim.moment)
        except (PatientDoubtError, RefusedError):
            return False
        identity, facts = file.claim.patient, file.claim.study
        key = (identity.patient_id, identity.issuer)
        patient = self._patients.get(key) or Patient(**vars(identity))
        if match.missing_in(patient, identity) or differing(patient, identity):
            return False
        uid = facts.study_instance_uid
        study = self._found.get(uid) or self._new_studies.get(uid)
        if study is None:
            study = match.new_study(patient, facts, self._by, self._batch.department_id)
            self._new_studies[uid] = study
        elif (
            study.patient_id != patient.pk
            or study.reading_state != self._state
            or facts.priority < study.priority
            or (uid in self._found and match.is_elsewhere(study, self._by))
        ):
            return False
        if key not in self._patients:
            self._patients[key] = patient
            self._new_patients.append(patient)
        of_image = study.pk, series_uid(study, file.checked.facts)
        if of_image not in self._series:
            self._series[of_image] = new_series(study, file.checked.facts)
            self._new_series.append(self._series[of_image])
        return True

    def _takes_line(self, file_name: str) -> bool:
        """Whether no other file has the same line of the sheet. Raises RefusedError if one has."""
        if self._batch.identity_mode != IdentityMode.SHEET:
            return True
        lookup.refuse_second_use_of_line(self._batch, file_name)
        line = lookup.record_key(self._batch, file_name)
        return line is None or self._lines.setdefault(line, file_name) == file_name

    def insert(self) -> list[Event]:
        """Insert the new ones, link the studies to their orders, and return what to audit.

        Raises IntegrityError if another request has just created one of them.
        """
        studies = list(self._new_studies.values())
        patients = sorted(self._new_patients, key=lambda each: (each.patient_id, each.issuer))
        series = sorted(self._new_series, key=lambda each: each.series_instance_uid)
        by_uid = sorted(studies, key=lambda each: each.study_instance_uid)
        insert_in_order(patients, by_uid, series)
        events = [match.patient_created(patient) for patient in self._new_patients]
        lock_numbers(study.accession_number for study in studies)
        return [*events, *(event for study in studies for event in match.link_created(study))]

    def study_of(self, file: Ready) -> Study:
        """The study of a file that was taken."""
        uid = file.claim.study.study_instance_uid
        return self._found.get(uid) or self._new_studies[uid]

    def series_of(self, file: Ready) -> Series:
        """The series of a file that was taken."""
        study = self.study_of(file)
        return self._series[study.pk, series_uid(study, file.checked.facts)]
