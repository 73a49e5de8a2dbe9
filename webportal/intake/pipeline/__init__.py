"""The one way of a file into the portal: receive, check, identify, match, store."""

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
    """Take one file in and return the verdict: one item, or one for each file of a ZIP.

    Sending a file again returns the same verdict and creates nothing; only a refused file is looked
    at anew, and a ZIP whose connection broke continues where it stopped. Raises StorageRefusesError
    where nothing can be stored, and ArchiveWaitsError where a ZIP has to wait; nothing of the
    file is kept then.
    """
    # Closed at once, whatever happens: a ZIP keeps its person from sending another.
    with closing(receive.uploads(batch, file_name, file, by)) as uploads:
        return [_verdict_on(upload) for upload in uploads]


def _verdict_on(upload: Upload) -> UploadItem:
    """Take a file in, or refuse it. A fault of ours is a refusal too, so that it stops no other."""
    try:
        return _take_in(upload)
    except ImageError as error:
        return store.refuse(upload, Reason.of(error))
    except RefusedError as error:
        return store.refuse(upload, error.reason)
    except (InterfaceError, OperationalError, OSError, StorageRefusesError):
        raise  # the same for every file, and over when it is sent again
    except Exception as error:
        # What the database refuses of this file's values, too; nothing of it is stored then.
        # Only the kind of error: its text may quote the file, and so a patient.
        logger.error("Taking in a file failed with %s", type(error).__name__)
        return store.refuse(upload, Reason("internal_error"))


def _take_in(upload: Upload) -> UploadItem:
    """Lead a file through the steps. Raises ImageError or RefusedError where one refuses it."""
    if upload.refusal is not None:
        raise upload.refusal
    record = lookup.record_for(upload.batch, upload.file_name)
    # What is stored already was checked then, and is not decoded again.
    if (item := store.known(upload, record)) is not None:
        repair.repair(upload, item)
        return item
    checked = check.check(upload, record)
    claim = identify.identify(upload.batch, record, checked.facts)
    with store.alone(upload.sha256) as put:
        if (item := store.known(upload, record)) is not None:
            return item
        lookup.refuse_second_use_of_line(upload.batch, upload.file_name)
        try:
            store.refuse_to_overwrite(checked.facts, upload.by)
            check_certain(checked.facts, claim.moment)
            found = match.match(claim.patient, claim.study, upload.by, upload.batch.department)
        except PatientDoubtError as doubt:
            return store.hold(upload, doubt, put)
        return store.accept(upload, checked, found, put)
