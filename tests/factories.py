"""Make patients, studies, radiographs and results in the database, for tests of every package."""

import hashlib
import itertools
import json
from datetime import timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from ml.serving.package import (
    CARD_FILE,
    FACTS_FILE,
    FILES,
    FORMAT,
    ModelPackage,
    load_package,
    plot_file,
    seal_package,
)
from webportal.accounts.models import GENERAL, Role, User
from webportal.demo.phantoms import draw_phantom
from webportal.inference.models import Job, JobState, ModelVersion, Prediction, Worker
from webportal.inference.purpose.keeping import reevaluate
from webportal.records.choices import Category
from webportal.records.models import Patient, Radiograph, Study

_numbers = itertools.count(1)

MODEL_VERSION = "test-1"
THRESHOLDS = {
    name: {
        "threshold": threshold,
        "criterion": f"The {name} point of the tests.",
        "sensitivity": 0.95,
        "specificity": 0.85,
        "sensitivity_interval": [0.93, 0.97],
        "specificity_interval": [0.81, 0.89],
    }
    for name, threshold in (("unlikely", 0.2), ("decision", 0.5), ("likely", 0.8))
}
PROBABILITIES = {
    Category.LIKELY: 0.93,
    Category.INDETERMINATE: 0.5,
    Category.UNLIKELY: 0.04,
    Category.NOT_ASSESSABLE: None,
}


def make_uploader() -> User:
    """The person to whom things belong where a test does not care."""
    user = User.objects.filter(username="factory").first()
    return user or User.objects.create_user("factory", None, [Role.UPLOADER])


def make_patient(**fields: Any) -> Patient:
    number = next(_numbers)
    defaults = {"patient_id": f"P{number}", "issuer": "TEST", "name": f"Phantom^Number {number}"}
    return Patient.objects.create(**defaults | fields)


def make_study(**fields: Any) -> Study:
    """A study with no radiograph in it yet; `fields` are those of the model."""
    if "patient" not in fields:
        fields["patient"] = make_patient()
    defaults = {
        "study_instance_uid": generate_uid(),
        "created_by": make_uploader(),
    }
    if "department" not in fields:
        fields["department_id"] = GENERAL
    return Study.objects.create(**defaults | fields)


@cache
def drawn(seed: int, size: tuple[int, int]) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """A phantom, drawn once and small: drawing one of 700 rows takes a second."""
    rows, columns = size
    factor = max(1, max(size) // 200)
    small = draw_phantom(seed, (rows // factor, columns // factor), opacity=False)
    # Bilinear: what overshoots would change the range of the greys.
    return np.asarray(Image.fromarray(small).resize((columns, rows), Image.Resampling.BILINEAR))


def make_radiograph(
    study: Study | None = None, size: tuple[int, int] = (96, 80), **fields: Any
) -> Radiograph:
    """A radiograph whose DICOM file, a drawn phantom, lies in the storage."""
    study = study or make_study()
    # Their UIDs make the files differ; drawing each one took a third of the time of many tests. A
    # prime number, so that neighbours differ however many numbers are used between them.
    pixels = drawn(next(_numbers) % 7, size)
    dataset = phantom_dataset(pixels, study)
    data = BytesIO()
    pydicom.dcmwrite(data, dataset, enforce_file_format=True)
    digest = hashlib.sha256(data.getvalue()).hexdigest()
    key = default_storage.save(f"factory/{digest}.dcm", ContentFile(data.getvalue()))
    defaults = {
        "study": study,
        "sop_instance_uid": dataset.SOPInstanceUID,
        "sop_class_uid": dataset.SOPClassUID,
        "modality": "DX",
        "view_position": "PA",
        "rows": size[0],
        "columns": size[1],
        "bits_stored": 8,
        "media_type": "application/dicom",
        "original_sha256": digest,
        "original_key": key,
        "original_bytes": len(data.getvalue()),
        "dicom_sha256": digest,
        "dicom_key": key,
    }
    return Radiograph.objects.create(**defaults | fields)


def replace_file(radiograph: Radiograph, data: bytes) -> None:
    """Let `data` be the DICOM file that was received for a radiograph."""
    radiograph.dicom_sha256 = hashlib.sha256(data).hexdigest()
    radiograph.save(update_fields=["dicom_sha256"])
    overwrite(radiograph.dicom_key, data)


def overwrite(key: str, data: bytes) -> None:
    """Change a stored file behind the portal's back."""
    with default_storage.open(key, "wb") as file:
        file.write(data)


def phantom_dataset(pixels: "np.ndarray[Any, np.dtype[np.uint8]]", study: Study) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = study.study_instance_uid
    dataset.SeriesInstanceUID = generate_uid()
    dataset.PatientID = study.patient.patient_id
    dataset.Modality = "DX"
    dataset.ViewPosition = "PA"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.PixelRepresentation = 0
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB"
    return dataset


def make_model_version(version: str = MODEL_VERSION, **fields: Any) -> ModelVersion:
    """The model version of that name, made on first use."""
    defaults = {
        "name": "Test model",
        "package_sha256": hashlib.sha256(version.encode()).hexdigest(),
        "package_path": f"/nowhere/{version}",
        "thresholds": THRESHOLDS,
        "figures": {},
        "card": "# Test model",
    }
    return ModelVersion.objects.get_or_create(version=version, defaults=defaults | fields)[0]


def make_package(folder: Path, **facts: Any) -> ModelPackage:
    """A sealed package in a new folder, which names the version; its weights are not real ones."""
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(b"nothing that could be loaded")
    (folder / CARD_FILE).write_text(f"# Test model\n\nVersion {folder.name}\n")
    for name in facts.get("plots", ()):
        (folder / plot_file(name)).parent.mkdir(exist_ok=True)
        (folder / plot_file(name)).write_bytes(name.encode())
    defaults = {
        "format": FORMAT,
        "name": "Test model",
        "version": folder.name,
        "input": {"size": 8},
        "thresholds": THRESHOLDS,
        "calibration": {"slope": 1.0, "offset": 0.0, "margin": 0.0, "prevalence": 0.73},
        "bacterial_calibration": None,
        "heatmap_full_scale": 3.0,
        "figures": {"random": {"n": 708, "auroc": 0.991, "accuracy": 0.95}},
        "population": {"youngest_years": 1, "oldest_years": 5, "views": ["AP"]},
        "training": {},
    }
    (folder / FACTS_FILE).write_text(json.dumps(defaults | facts))
    seal_package(folder)
    return load_package(folder)


def make_worker(name: str = "gpu-1", **fields: Any) -> Worker:
    """A worker that is idle unless the fields say otherwise."""
    now = timezone.now()
    defaults = {"device": "GPU 0", "model_version": "1.0", "started_at": now, "last_seen_at": now}
    return Worker.objects.create(name=name, **defaults | fields)


def make_job(
    radiograph: Radiograph | None = None, state: str = JobState.QUEUED, **fields: Any
) -> Job:
    """A job in the given state, complete as the database's constraints want it."""
    radiograph = radiograph or make_radiograph()
    now = timezone.now()
    defaults: dict[str, Any] = {
        "radiograph": radiograph,
        "study": radiograph.study,
        "state": state,
        "priority": radiograph.study.priority,
        "queued_at": now,
        "created_by": radiograph.study.created_by,
    }
    if state == JobState.RUNNING:
        defaults |= {"worker": "test", "attempt": 1, "started_at": now}
        defaults |= {"leased_until": now + timedelta(minutes=1)}
    elif state != JobState.QUEUED:
        defaults |= {"finished_at": now}
    if state in (JobState.REFUSED, JobState.QUARANTINED):
        defaults |= {"reason_code": "test", "reason": "The test says so."}
    return Job.objects.create(**in_codes(defaults | fields))


def in_codes(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields of a row with its `reason` as a code that stands for these very words."""
    words = fields.pop("reason", "")
    return {"reason_params": {"text": words}} | fields if words else fields


@transaction.atomic
def make_prediction(
    radiograph: Radiograph | None = None, category: str = Category.LIKELY, **fields: Any
) -> Prediction:
    """A current result of a finished job, shown on its study as the queue would show it."""
    radiograph = radiograph or make_radiograph()
    refused = category == Category.NOT_ASSESSABLE
    Prediction.objects.filter(radiograph=radiograph).update(is_current=False)
    if "model_version" not in fields:
        fields["model_version"] = make_model_version()
    defaults: dict[str, Any] = {
        "radiograph": radiograph,
        "job": make_job(radiograph, JobState.REFUSED if refused else JobState.DONE),
        "category": category,
        "probability": PROBABILITIES[Category(category)],
        "reason_code": "not_frontal" if refused else "",
        "reason": "This does not look like a frontal chest radiograph." if refused else "",
        "heatmap": bytes(range(0, 245, 5)),
        "heatmap_rows": 7,
        "heatmap_columns": 7,
        "worker": "test",
        "device": "CPU",
        "created_at": timezone.now(),
    }
    prediction = Prediction.objects.create(**in_codes(defaults | fields))
    reevaluate([radiograph.study_id])
    radiograph.study.refresh_from_db()
    prediction.refresh_from_db()
    return prediction
