"""Check: decode the image in the sandbox, and wrap a JPEG or PNG as DICOM."""

from ml import images
from webportal.intake.cases import lookup
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks import image_file, wrapping
from webportal.intake.checks.image_file import CheckedImage
from webportal.intake.claimed_identity import temporary_patient_id
from webportal.intake.models import IdentityMode, UploadBatch
from webportal.intake.pipeline.upload import Upload
from webportal.records.models import OWN_ISSUER


def check(upload: Upload, record: CaseRecord | None) -> CheckedImage:
    """Return the decoded image. Raises ImageError, and RefusedError if no patient is named."""
    header = header_for(upload.batch, record, upload.sha256)
    if header is None and images.sniff(upload.data) in ("jpeg", "png"):
        raise lookup.not_in_sheet()
    return image_file.check_apart(upload.data, header, upload.sha256)


def header_for(
    batch: UploadBatch, record: CaseRecord | None, sha256: str
) -> wrapping.Header | None:
    """Return the DICOM header for a JPEG or PNG; None if the sheet has no line for it."""
    if record is not None:
        return wrapping.Header(
            patient_id=record.patient_id,
            issuer_of_patient_id=record.issuer,
            patient_name=record.name,
            patient_birth_date=record.birth_date,
            patient_sex=record.sex,
            study_instance_uid=_study_uid(batch, record),
            accession_number=record.accession_number,
            referring_physician_name=record.referring_physician,
            study_date=record.study_date,
        )
    if batch.identity_mode == IdentityMode.SHEET:
        return None
    study_uid = wrapping.make_uid("study", sha256)
    return wrapping.Header(
        patient_id=temporary_patient_id(study_uid),
        issuer_of_patient_id=OWN_ISSUER,
        study_instance_uid=study_uid,
    )


def _study_uid(batch: UploadBatch, record: CaseRecord) -> str:
    """Return the UID of the study that a record describes.

    An accession number identifies a study; without one, the files of a patient and day within a
    batch are a study.
    """
    patient = (record.patient_id, record.issuer)
    if record.accession_number:
        return wrapping.make_uid("study", *patient, record.accession_number)
    return wrapping.make_uid("study", str(batch.pk), *patient, str(record.study_date or ""))
