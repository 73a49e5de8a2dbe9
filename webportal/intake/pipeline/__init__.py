"""The only path of a file into the portal: receive, check, identify, match, store."""

import logging
from contextlib import closing
from typing import IO

from django.db import InterfaceError, OperationalError

from ml.images import ImageError
from webportal.accounts.models import User
from webportal.intake.cases import lookup
from webportal.intake.checks.doubts import check_certain
from webportal.intake.errors import PatientDoubtError, RefusedError, StorageRefusesError
from webportal.intake.models import UploadBatch, UploadItem
from webportal.intake.pipeline import check, identify, match, receive, repair, store
from webportal.intake.pipeline.upload import Upload
from webportal.reasons import Reason

logger = logging.getLogger(__name__)


def receive_file(batch: UploadBatch, file_name: str, file: IO[bytes], by: User) -> list[UploadItem]:
    """Receive one file and return the verdict: one item, or one for each file of a ZIP.

    Sending a file again returns the same verdict and creates nothing; only a refused file is
    checked again, and a ZIP whose connection broke continues where it stopped. Raises
    StorageRefusesError if nothing can be stored, and ArchiveWaitsError if a ZIP has to wait;
    nothing of the file is then kept.
    """
    # Closed at once in any case: a ZIP in progress keeps its user from sending another.
    with closing(receive.uploads(batch, file_name, file, by)) as uploads:
        return [_verdict_on(upload) for upload in uploads]


def _verdict_on(upload: Upload) -> UploadItem:
    """Accept, hold or refuse a file. An internal error is a refusal too, and stops no other."""
    try:
        return _process(upload)
    except ImageError as error:
        return store.refuse(upload, Reason.of(error))
    except RefusedError as error:
        return store.refuse(upload, error.reason)
    except (InterfaceError, OperationalError, OSError, StorageRefusesError):
        raise  # affects every file alike, and is over when it is sent again
    except Exception as error:
        # Includes values that the database rejects; nothing of the file is stored then. Only the
        # type of error is logged: its text may quote the file, and so a patient.
        logger.error("Processing a file failed with %s", type(error).__name__)
        return store.refuse(upload, Reason("internal_error"))


def _process(upload: Upload) -> UploadItem:
    """Run a file through the steps. Raises ImageError or RefusedError if one refuses it."""
    if upload.refusal is not None:
        raise upload.refusal
    record = lookup.record_for(upload.batch, upload.file_name)
    # A stored file was checked before, and is not decoded again.
    if store.has_traces(upload) and (item := store.known(upload, record)) is not None:
        repair.repair(upload, item)
        return item
    checked = check.check(upload, record)
    claim = identify.identify(upload.batch, record, checked.facts)
    instance = checked.facts.sop_instance_uid
    with store.alone(upload.sha256, instance) as put:
        has_traces = store.has_traces(upload, instance)
        if has_traces and (item := store.known(upload, record)) is not None:
            return item
        lookup.refuse_second_use_of_line(upload.batch, upload.file_name)
        try:
            if has_traces:
                store.refuse_to_overwrite(checked.facts, upload.by)
            check_certain(checked.facts, claim.moment)
            department = upload.batch.department_id
            found = match.match(claim.patient, claim.study, upload.by, department)
        except PatientDoubtError as doubt:
            if not upload.batch.is_prior:
                store.have_prior_read(instance, claim.study.study_instance_uid, upload.by)
            return store.hold(upload, doubt, put)
        return store.accept(upload, checked, found, put)
