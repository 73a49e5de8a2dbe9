"""The lines of a report that its page and its PDF share."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.labels import label_of
from webportal.records.bikram_sambat import written_day, written_moment
from webportal.records.choices import Sex
from webportal.review.reports.content import Report

CORRECTED = gettext_lazy(
    "The patient’s identity was corrected after the signature; what is shown is the corrected one."
)


def facts(report: Report) -> list[tuple[str, str]]:
    """Patient, date and indication as labels and values; unknown values are left out."""
    study, patient = report.study, report.study.patient
    number = f"{patient.patient_id} ({patient.issuer})" if patient.issuer else patient.patient_id
    lines = [
        (_("Patient"), patient.display_name if patient.name else _("name not given")),
        (_("Patient ID"), _("temporary identity") if patient.is_temporary else number),
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
    day = written_day(study.performed_at) if study.performed_at else _("date not given")
    return f"{what}, {day}"


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
