"""Stored files that workers cannot read: reported to hospital IT, and analysed once repaired."""

from webportal.accounts.models import User
from webportal.inference.claims import ClaimedJob
from webportal.inference.queue import awaiting_release, release_from_quarantine
from webportal.records import file_faults
from webportal.records.models import Radiograph
from webportal.storage import StorageAwayError

#: Why a job failed that may succeed once the file is repaired.
_OF_FILES = ("file_damaged", "file_unreadable")


def report_file_fault(job: ClaimedJob) -> None:
    """Check the file of a job again; report its fault to hospital IT."""
    try:
        fault = file_faults.fault_of(job.dicom_key, job.dicom_sha256)
    except StorageAwayError:
        return
    if fault is not None:
        file_faults.record(job.dicom_key, fault, job.radiograph_id)


def analyse_again(radiograph: Radiograph, by: User) -> None:
    """Queue an image again whose analysis failed because of its file."""
    for job in awaiting_release().filter(radiograph=radiograph, reason_code__in=_OF_FILES):
        release_from_quarantine(job, by)
