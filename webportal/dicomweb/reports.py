"""Structured reports of a study: those of its read and of the results that a caller may see.

They are the documents that are sent to destinations, with the same UIDs, and are created when a
study is first requested. Blinding applies as on the pages, and only radiologists see them.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar

import pydicom
from django.db import DatabaseError, transaction
from pydicom.dataset import FileDataset

from webportal.accounts.models import Role, User
from webportal.delivery.documents.hottest import region_to_send
from webportal.delivery.models import Document, DocumentKind, document_of
from webportal.delivery.predecessors import revision_of_result, revision_to_retrieve
from webportal.delivery.release import last_addendum, results_to_send
from webportal.inference.summary import lock_studies
from webportal.records.files import StoredFileError
from webportal.records.models import Study
from webportal.review.reads.blinding import studies_with_withheld_results
from webportal.review.reports.content import may_open, report_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StructuredReport:
    """A report as an instance and, because its series has few others, as its series.

    Its file has patient and study as on record. Attributes that only images have are empty.
    """

    study: Study
    document: Document
    file: bytes
    data_set: FileDataset

    body_part: ClassVar[str] = ""
    laterality: ClassVar[str] = ""
    model_name: ClassVar[str] = ""
    station_name: ClassVar[str] = ""
    institution: ClassVar[str] = ""
    view_position: ClassVar[str] = ""
    patient_age: ClassVar[str] = ""
    rows: ClassVar[int | None] = None
    columns: ClassVar[int | None] = None
    bits_stored: ClassVar[int | None] = None

    @property
    def pk(self) -> str:
        """Identifies its series."""
        return self.series_instance_uid

    @property
    def series_instance_uid(self) -> str:
        """The UID of its series."""
        return str(self.data_set.SeriesInstanceUID)

    @property
    def number(self) -> int:
        """The number of its series."""
        return int(self.data_set.SeriesNumber)

    @property
    def description(self) -> str:
        """The description of its series."""
        return str(self.data_set.SeriesDescription)

    @property
    def modality(self) -> str:
        """The modality of its series."""
        return str(self.data_set.Modality)

    @property
    def manufacturer(self) -> str:
        """The manufacturer of the equipment that created it."""
        return str(self.data_set.Manufacturer)

    @property
    def sop_class_uid(self) -> str:
        """Its SOP class."""
        return str(self.data_set.SOPClassUID)

    @property
    def sop_instance_uid(self) -> str:
        """Its own UID."""
        return str(self.data_set.SOPInstanceUID)

    @property
    def instance_number(self) -> int:
        """Its number in the series."""
        return int(self.data_set.InstanceNumber)


def visible_reports(person: User, study: Study) -> list[StructuredReport]:
    """The reports of a study that this person may see; missing ones are created.

    One that cannot be created is left out, so that the images are still found.
    """
    if not person.has_role(Role.RADIOLOGIST):
        return []
    # The results first: the read names the one that its reader decided on.
    results = _opened_of(_of_results(person, study), study)
    return [*_opened_of(_of_read(person, study), study), *results]


def _opened_of(documents: Iterator[Document], study: Study) -> list[StructuredReport]:
    reports = []
    for document in documents:
        try:
            reports.append(_opened(document, study))
        except StoredFileError:
            continue
        except DatabaseError:
            raise
        except Exception as error:
            # Not its message, which may quote the patient.
            logger.error("A report cannot be created: %s %s", document.pk, type(error).__name__)
    return reports


def _of_read(person: User, study: Study) -> Iterator[Document]:
    """The released read; not under a former identity, under which its reader signed it."""
    report = report_of(study)
    if report is None or report.is_of_other_identity or not may_open(person, report):
        return
    addendum = last_addendum(report)
    of_read = {"study": study, "read": report.read, "addendum": addendum}
    revision = revision_to_retrieve(report.read, addendum)
    yield document_of(kind=DocumentKind.REPORT, revision=revision, **of_read)
    if report.read.marks:
        yield document_of(kind=DocumentKind.REPORT_MARKS, **of_read)


def _of_results(person: User, study: Study) -> Iterator[Document]:
    """The model's results, unless this person reads blind or first."""
    if studies_with_withheld_results(person, [study.pk], is_open=False):
        return
    for result in results_to_send(study):
        kinds = [DocumentKind.RESULT]
        if region_to_send(result) is not None:
            kinds.append(DocumentKind.RESULT_REGION)
        for kind in kinds:
            revision = revision_of_result(study, result, kind)
            yield document_of(kind=kind, study=study, prediction=result, revision=revision)


def _opened(document: Document, study: Study) -> StructuredReport:
    """Read a document's report. Raises StoredFileError."""
    # Imported here: highdicom is slow to import, and most processes never serve a report.
    from webportal.delivery.documents.sources import with_study_on_record
    from webportal.delivery.making import make

    if document.made_at is None:
        with transaction.atomic():
            # Locked as for sending, so that one UID never has two different contents, and that of
            # a result never the cautions from before it was re-evaluated.
            lock_studies([study.pk])
            document = Document.objects.select_for_update().get(pk=document.pk)
            if document.made_at is None:
                make(document)
    content = Document.objects.values_list("content", flat=True).get(pk=document.pk)
    file = with_study_on_record(bytes(content or b""), study)
    return StructuredReport(study, document, file, pydicom.dcmread(BytesIO(file)))
