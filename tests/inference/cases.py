"""Records for tests of the queue, without any image behind them."""

import uuid

from tests.factories import make_study
from webportal.accounts.models import User
from webportal.inference.claims import ClaimedJob, JobResult, claim
from webportal.inference.models import Job
from webportal.inference.queue import enqueue
from webportal.reasons import NO_REASON, Reason
from webportal.records.choices import Priority
from webportal.records.models import Radiograph, Study


def make_user(username: str = "uploader") -> User:
    return User.objects.filter(username=username).first() or User.objects.create_user(
        username, None, ["uploader"]
    )


def make_radiograph(study: Study | None = None, *, dicom_key: str = "") -> Radiograph:
    sha256 = uuid.uuid4().hex * 2
    return Radiograph.objects.create(
        study=study or make_study(),
        sop_instance_uid=f"2.25.{uuid.uuid4().int}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        modality="DX",
        rows=300,
        columns=300,
        bits_stored=8,
        media_type="application/dicom",
        original_sha256=sha256,
        original_key=dicom_key or sha256,
        original_bytes=1,
        dicom_sha256=sha256,
        dicom_key=dicom_key or sha256,
    )


def queued(count: int = 1, priority: Priority = Priority.ROUTINE) -> list[Job]:
    return [
        enqueue(make_radiograph(make_study(priority=priority)), make_user()) for _ in range(count)
    ]


def likely(job: ClaimedJob, probability: float = 0.9) -> JobResult:
    return JobResult(job, "likely", probability, NO_REASON, bytes(49), 7, 7)


def unlikely(job: ClaimedJob, probability: float = 0.1) -> JobResult:
    return JobResult(job, "unlikely", probability, NO_REASON, bytes(49), 7, 7)


def not_assessable(job: ClaimedJob) -> JobResult:
    return JobResult(
        job, "not_assessable", None, Reason("no_contrast", {"text": "Blank."}), b"", 0, 0
    )


def claim_one(worker: str = "a") -> ClaimedJob:
    (job,) = claim(worker, 1)
    return job
