"""The only path of a file into the portal: receive, check, identify, match, store."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import IO, TypeVar

from django.db import InterfaceError, OperationalError

from ml.errors import ImageError
from webportal.accounts.models import User
from webportal.database.deadlocks import retried
from webportal.intake import blobs, metrics
from webportal.intake.cases import lookup
from webportal.intake.checks.doubts import check_certain
from webportal.intake.errors import (
    PatientDoubtError,
    RefusedError,
    StorageNotOursError,
    StorageRefusesError,
)
from webportal.intake.models import UploadBatch, UploadItem
from webportal.intake.pipeline import check, group, identify, match, receive, repair, store
from webportal.intake.pipeline.group import Ready
from webportal.intake.pipeline.upload import Upload
from webportal.reasons import Reason
from webportal.storage import StorageAwayError

logger = logging.getLogger(__name__)

T = TypeVar("T")


def receive_file(batch: UploadBatch, file_name: str, file: IO[bytes], by: User) -> list[UploadItem]:
    """Receive one file and return the verdict: one item, or one for each file of a ZIP.

    See `receive_files`.
    """
    return receive_files(batch, [(file_name, file)], by)


def receive_files(
    batch: UploadBatch, files: Iterable[tuple[str, IO[bytes]]], by: User
) -> list[UploadItem]:
    """Receive files with their names, and return the verdict on each; a ZIP has one for each file.

    Sending a file again returns the same verdict and creates nothing; only a refused file is
    checked again, and a ZIP whose connection broke continues where it stopped. Raises
    StorageRefusesError if nothing can be stored, and ArchiveWaitsError if a ZIP has to wait; that
    file is then not kept, but those before it are.
    """
    # Closed at once in any case: a ZIP in progress keeps its user from sending another.
    with closing(receive.uploads(batch, files, by)) as uploads:
        groups = group.bounded(uploads, lambda upload: len(upload.data))
        items = [item for some in groups for item in _verdicts_on(some)]
    for item in items:
        metrics.verdicts.labels(item.verdict).inc()
    return items


def _verdicts_on(uploads: Sequence[Upload]) -> list[UploadItem]:
    """Accept, hold or refuse files: plain ones together, then each of the others by itself.

    One that was refused before has its turn: a newer version of its image may follow.
    """
    if len(uploads) == 1:
        return [_verdict_on(uploads[0])]
    verdicts: dict[int, UploadItem] = {}
    ready: dict[int, Ready] = {}
    known = store.with_traces(uploads, [""] * len(uploads))
    refused = store.refused_before(uploads) if known else set()
    hashes: set[str] = set()
    for number, upload in enumerate(uploads):
        if number in refused:
            verdicts |= _stored(ready)
            ready = {}
            verdicts[number] = _verdict_on(upload)
            continue
        if number in known or upload.refusal is not None or upload.sha256 in hashes:
            continue
        hashes.add(upload.sha256)
        checked = _or_refusal(upload, partial(_ready, upload))
        if not isinstance(checked, Ready):
            verdicts[number] = checked
            continue
        ready[number] = checked
        if sum(each.bytes_held for each in ready.values()) > group.MOST_BYTES:
            verdicts |= _stored(ready)
            ready = {}
    verdicts |= _stored(ready)
    return [
        verdicts[number] if number in verdicts else _verdict_on(upload)
        for number, upload in enumerate(uploads)
    ]


def _stored(ready: dict[int, Ready]) -> dict[int, UploadItem]:
    """Store checked files together, and one by one those for which that was not possible."""
    stored: Sequence[UploadItem | None] = [None] * len(ready)
    if len(ready) > 1:
        try:
            with metrics.seconds.labels("store").time():
                stored = group.store_plain(list(ready.values()))
        except Exception as error:
            # One of the files may be the cause, or another request that has just stored the same;
            # what affects all of them is raised again. The text of the error may quote a patient.
            kind = type(error).__name__
            logger.warning("Storing %d files together failed with %s", len(ready), kind)
    return {
        number: _or_refusal(file.upload, partial(_store, file)) if item is None else item
        for (number, file), item in zip(ready.items(), stored, strict=True)
    }


def _verdict_on(upload: Upload) -> UploadItem:
    return _or_refusal(upload, partial(_process, upload))


def _or_refusal(upload: Upload, step: Callable[[], T]) -> T | UploadItem:
    """Return the outcome of a step, or the refusal of the file by it.

    An internal error is a refusal too, and stops no other file.
    """
    try:
        return step()
    except ImageError as error:
        return store.refuse(upload, Reason.of(error))
    except RefusedError as error:
        return store.refuse(upload, error.reason)
    except StorageAwayError as error:
        raise StorageNotOursError from error
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
    # A stored file was checked before, and is not decoded again.
    if store.has_traces(upload):
        record = lookup.record_for(upload.batch, upload.file_name)
        if (item := store.known(upload, record)) is not None:
            repair.repair(upload, item)
            return item
    return _store(_ready(upload))


def _ready(upload: Upload) -> Ready:
    record = lookup.record_for(upload.batch, upload.file_name)
    with metrics.seconds.labels("check").time():
        checked = check.check(upload, record)
    return Ready(upload, record, checked, identify.identify(upload.batch, record, checked.facts))


def _store(file: Ready) -> UploadItem:
    """Store a checked file by itself, or hold it."""
    with metrics.seconds.labels("store").time():
        return retried(partial(_try_to_store, file))


def _try_to_store(file: Ready) -> UploadItem:
    try:
        return _try_to_accept(file)
    except PatientDoubtError as doubt:
        # What it has created before the doubt is rolled back. Nearly no file is in doubt: a
        # savepoint to go back to would cost every other file two statements.
        return _try_to_hold(file, doubt)


def _try_to_accept(file: Ready) -> UploadItem:
    upload, facts, claim = file.upload, file.checked.facts, file.claim
    with _storing(file) as (put, item, has_traces):
        if item is not None:
            return item
        if has_traces:
            store.hold_if_stored(facts, upload.by)
        check_certain(facts, claim.moment)
        found = match.match(claim.patient, claim.study, upload.by, upload.batch.department_id)
        return store.accept(upload, file.checked, found, put)


def _try_to_hold(file: Ready, doubt: PatientDoubtError) -> UploadItem:
    upload = file.upload
    with _storing(file) as (put, item, _):
        if item is not None:
            return item
        events = []
        if not upload.batch.is_prior:
            instance, uid = file.checked.facts.sop_instance_uid, file.claim.study.study_instance_uid
            events = store.have_prior_read(instance, uid, upload.by)
        return store.hold(upload, doubt, put, events)


@contextmanager
def _storing(file: Ready) -> Iterator[tuple[blobs.Put, UploadItem | None, bool]]:
    """Yield how to store bytes in a transaction, the verdict if there is one, and if it is known.

    Raises RefusedError if another file has its line of the sheet.
    """
    upload, instance = file.upload, file.checked.facts.sop_instance_uid
    with store.storing_exclusively([upload.sha256], [instance]) as put:
        has_traces = store.has_traces(upload, instance)
        item = store.known(upload, file.record) if has_traces else None
        if item is None:
            lookup.refuse_second_use_of_line(upload.batch, upload.file_name)
        yield put, item, has_traces
