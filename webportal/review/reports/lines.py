"""The lines of a report that its page and its PDF share."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.intake.file_names import file_names
from webportal.labels import label_of
from webportal.records.bikram_sambat import written_day, written_examination, written_moment
from webportal.records.choices import Sex
from webportal.records.identity import format_birth_date
from webportal.review.reports.content import Report

CORRECTED = gettext_lazy(
    "The patient’s identity was corrected after the signature; what is shown is the corrected one."
)


def facts(report: Report) -> list[tuple[str, str]]:
    """Patient, date and indication as labels and values; unknown values are left out."""
    study, patient = report.study, report.study.patient
    number = f"{patient.patient_id} ({patient.issuer})" if patient.issuer else patient.patient_id
    if patient.is_temporary:
        number = _("temporary identity %(id)s") % {"id": patient.patient_id}
    lines = [
        (_("Patient"), patient.display_name if patient.name else _("name not given")),
        (_("Patient ID"), number),
        (_("File"), ", ".join(_files(report))),
        (_("Date of birth"), written_day(patient.birth_date) if patient.birth_date else ""),
        (_("Sex"), label_of(Sex, patient.sex) if patient.sex else ""),
        (_("Study"), _describe_study(report)),
        (_("Accession number"), study.accession_number),
        (_("Referring clinician"), study.referring_physician),
        (_("Indication"), study.indication),
    ]
    return [(label, value) for label, value in lines if value]


def _describe_study(report: Report) -> str:
    study = report.study
    what = study.description or _("Chest radiograph")
    at = written_examination(study.performed_at) if study.performed_at else _("date not given")
    return f"{what}, {at}"


def _files(report: Report) -> list[str]:
    """The files of a study by which alone its patient can be found out."""
    study = report.study
    return file_names([study.pk]).get(study.pk, []) if study.patient.is_temporary else []


def whose(report: Report) -> str:
    """Whose report it is, on one line for each sheet of it."""
    patient = report.study.patient
    name = patient.display_name if patient.name else _("name not given")
    born = format_birth_date(patient.birth_date) if patient.birth_date else ""
    return " · ".join(filter(None, [name, patient.patient_id, born, _describe_study(report)]))


def signatures(report: Report) -> list[str]:
    """Signer, time, and remarks on the signature."""
    read = report.read
    assert read.signed_at is not None
    words = (
        _("Amended read, signed by {reader}, {date}; it replaces an earlier read.")
        if report.is_amended
        else _("Signed by {reader}, {date}.")
    )
    lines = [words.format(reader=read.reader, date=written_moment(read.signed_at))]
    if report.is_of_other_identity:
        lines.append(str(CORRECTED))
    return lines
