"""The receiver is killed while images arrive and while it takes them in; nothing is lost."""

import hashlib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.db.models import QuerySet

from tests.helpers import wait_until
from tests.network.conftest import Receiver
from tests.network.encodings import (
    IMAGES_PER_STUDY,
    Sending,
    data_set,
    instance_of,
    write_images,
    write_profile,
)
from webportal.audit.verification import verify
from webportal.inference.models import Job
from webportal.intake.models import UploadItem
from webportal.network.models import InboxState, ReceivedInstance
from webportal.network.sop_classes import IMAGE_SYNTAXES
from webportal.records.files import read_original
from webportal.records.models import Radiograph, Study


def check_that_no_image_is_lost(
    start_receiver: Callable[..., Receiver], folder: Path, count: int, associations: int
) -> None:
    """Send images in every transfer syntax, kill the receiver twice, and send everything again."""
    profile, paths = write_profile(folder), write_images(folder / "images", count)
    receiver = start_receiver(DICOM_STUDY_QUIET_SECONDS="3600")
    sending = Sending(receiver.port, profile, paths, associations)
    wait_until(lambda: ReceivedInstance.objects.count() >= count // 3, "some have arrived")
    receiver.kill()
    confirmed = sending.confirmed()
    # The row of an instance comes before its answer.
    assert count // 3 - associations <= len(confirmed) < count
    for path in confirmed:
        row = ReceivedInstance.objects.get(sop_instance_uid=instance_of(path))
        kept = (folder / "inbox" / row.file_name).read_bytes()
        assert hashlib.sha256(kept).hexdigest() == row.sha256
        assert data_set(kept) == data_set(path.read_bytes())

    # Killed once more while it takes them in.
    receiver = start_receiver()
    wait_until(lambda: UploadItem.objects.count() >= 3, "some are taken in")
    receiver.kill()
    receiver = start_receiver()
    assert sorted(Sending(receiver.port, profile, paths, associations).confirmed()) == sorted(paths)
    settled = ReceivedInstance.objects.exclude(settled_at=None)
    for number in (*range(0, count, 20), count):
        wait_until(partial(_has_at_least, settled, number), f"{number} are taken in")
    _check_stored(paths)
    wait_until(lambda: not list((folder / "inbox").iterdir()), "the inbox is empty")
    assert verify().intact


def _has_at_least(rows: QuerySet[ReceivedInstance], number: int) -> bool:
    return rows.count() >= number


def _check_stored(paths: list[Path]) -> None:
    """Every file is there once, with the data set that was sent."""
    rows = ReceivedInstance.objects.values_list("state", "transfer_syntax_uid")
    assert {state for state, _ in rows} == {InboxState.TAKEN}
    assert {syntax for _, syntax in rows} == set(IMAGE_SYNTAXES)
    assert len(rows) == UploadItem.objects.count() == len(paths)
    stored = {each.sop_instance_uid: each for each in Radiograph.objects.all()}
    assert Radiograph.objects.count() == Job.objects.count() == len(stored) == len(paths)
    # Though a pause before the rest was sent again may have ended the first upload of a study.
    assert Study.objects.count() == math.ceil(len(paths) / IMAGES_PER_STUDY)
    for path in paths:
        assert data_set(read_original(stored[instance_of(path)])) == data_set(path.read_bytes())
