"""Records for the benchmark: what intake would have written for two thousand uploads."""

import hashlib
import uuid
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from webportal.accounts.models import GENERAL, Role, User
from webportal.records.models import Patient, Radiograph, Study

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def make_uploader() -> User:
    """The user who owns everything."""
    return User.objects.create_user("bench", None, [Role.UPLOADER])


def store_radiographs(files: Sequence[bytes], count: int, by: User) -> list[Radiograph]:
    """Make `count` studies of one radiograph each, cycling through the stored files."""
    keys = [
        default_storage.save(f"bench/{number}.dcm", ContentFile(data))
        for number, data in enumerate(files)
    ]
    patients = Patient.objects.bulk_create(
        Patient(patient_id=uuid.uuid4().hex) for _ in range(count)
    )
    checksums = {
        key: hashlib.sha256(Path(default_storage.path(key)).read_bytes()).hexdigest()
        for key in keys
    }
    studies = Study.objects.bulk_create(
        Study(patient=patient, study_instance_uid=_uid(), created_by=by, department_id=GENERAL)
        for patient in patients
    )
    return Radiograph.objects.bulk_create(
        Radiograph(
            study=study,
            sop_instance_uid=_uid(),
            sop_class_uid=DX,
            modality="DX",
            rows=1,
            columns=1,
            bits_stored=8,
            media_type="application/dicom",
            original_sha256=uuid.uuid4().hex * 2,
            original_key=key,
            original_bytes=1,
            dicom_sha256=checksums[key],
            dicom_key=key,
        )
        for study, key in zip(studies, islice(cycle(keys), count), strict=True)
    )


def file_of(radiograph: Radiograph) -> Path:
    """The path of the radiograph's DICOM file."""
    return Path(default_storage.path(radiograph.dicom_key))


def _uid() -> str:
    return f"2.25.{uuid.uuid4().int}"
