"""A case record with everything filled in."""

from datetime import date

from webportal.intake.cases.case_record import CaseRecord
from webportal.records.choices import Priority

RECORD = CaseRecord(
    patient_id="P-1",
    issuer="H",
    name="Doe^Jane",
    birth_date=date(1980, 2, 3),
    sex="F",
    accession_number="ACC-1",
    study_date=date(2024, 5, 6),
    indication="Cough for a week",
    symptoms=["cough", "fever"],
    history="Asthma",
    referring_physician="Dr Roe",
    priority=Priority.URGENT,
)
