"""Content of a signed study's report, and who may open it.

A report exists once reading is complete and its last signature can no longer be taken back. It
contains the reader's findings and nothing from the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from webportal.accounts.models import Role, User
from webportal.accounts.roles import UPLOADERS
from webportal.labels import label_of
from webportal.records.choices import ReadingState
from webportal.records.models import Radiograph, Study
from webportal.review.models import Addendum, OtherFinding, Read, Zone
from webportal.review.reads import measurements
from webportal.review.reads.blinding import sees_read
from webportal.review.reads.corrections import corrections_of
from webportal.review.reads.first_reader import said_by_first_reader
from webportal.review.reads.marks import Mark, describe_marks, parse_marks
from webportal.review.reads.measurements import Measurement
from webportal.review.reads.queries import earlier_addenda, signed_read
from webportal.review.reads.standing import final_reads, is_final


@dataclass(frozen=True)
class Report:
    """A report; `marks` and `measured` are the reader's annotations on the key image.

    `earlier_addenda` are those to reads that `read` has amended or followed.
    """

    study: Study
    read: Read
    addenda: Sequence[Addendum]
    earlier_addenda: Sequence[Addendum]
    key_image: Radiograph | None
    marks: Sequence[Mark]
    measured: Sequence[Measurement]

    @property
    def finding(self) -> str:
        """The finding on pneumonia, as text."""
        return str(self.read.get_pneumonia_display()) or _("Not interpretable")

    @property
    def details(self) -> list[str]:
        """Location of the pneumonia, other findings, marks and measurements."""
        zones = [label_of(Zone, zone) for zone in self.read.zones]
        others = [label_of(OtherFinding, each) for each in self.read.other_findings]
        marked = describe_marks(parse_marks(self.read.marks), self.study)
        measured = measurements.describe_measurements(self.read.measurements, self.study)
        return [*filter(None, [", ".join(zones), ", ".join(others)]), *marked, *measured]

    @property
    def first_reader(self) -> list[str]:
        """What only the first of two readers said."""
        return said_by_first_reader(self.read)

    @property
    def is_amended(self) -> bool:
        """Whether the read supersedes an earlier one."""
        return self.read.amends_id is not None

    @property
    def is_of_other_identity(self) -> bool:
        """Whether the patient's identity was corrected after the signature."""
        return bool(corrections_of(self.read))


def report_of(study: Study) -> Report | None:
    """Return the report of a study; None until reading is complete and final."""
    read = signed_read(study)
    if study.reading_state != ReadingState.SIGNED or read is None or not is_final(read):
        return None
    marks = parse_marks(read.marks)
    measured = measurements.parse_measurements(read.measurements)
    images = list(study.radiographs.all())
    drawn_on = {mark.radiograph for mark in marks} | {each.radiograph for each in measured}
    marked = [image for image in images if image.pk in drawn_on]
    key_image = next(iter([*marked, *images]), None)
    return Report(
        study=study,
        read=read,
        addenda=list(read.addenda.select_related("author")),
        earlier_addenda=list(earlier_addenda(read)),
        key_image=key_image,
        marks=[mark for mark in marks if key_image and mark.radiograph == key_image.pk],
        measured=[each for each in measured if key_image and each.radiograph == key_image.pk],
    )


def may_open(person: User, report: Report) -> bool:
    """Whether this person may open a report.

    Radiologists and uploaders may, unless they are to read the study blind; referring clinicians
    only for studies that name them.
    """
    if person.has_role(*UPLOADERS):
        return sees_read(person, report.read)
    return person.has_role(Role.REFERRER) and report.study.referrer_id == person.pk


def reports_for(referrer: User) -> QuerySet[Study]:
    """The studies with a report for this referring clinician, newest first."""
    final = final_reads().filter(study=OuterRef("pk"))
    referred = Study.objects.visible_to(referrer).filter(
        referrer=referrer, reading_state=ReadingState.SIGNED
    )
    return referred.filter(Exists(final)).select_related("patient").order_by("-created_at", "id")
