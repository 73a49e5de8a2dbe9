"""A file of the inbox that is to go, and a receiver that starts in between."""

import hashlib
from pathlib import Path

import pytest

from webportal.erasure import files
from webportal.network import found
from webportal.network.models import ReceivedInstance

pytestmark = pytest.mark.django_db


def test_a_file_that_the_receiver_has_recorded_meanwhile_goes_all_the_same(
    inbox_folder: Path,
) -> None:
    name = f"{hashlib.sha256(b'DICM').hexdigest()}.dcm"
    inbox_folder.mkdir()
    (inbox_folder / name).write_bytes(b"DICM")
    assert found.record() == 1
    assert files.remove(f"{files.INBOX}{name}")
    assert not (inbox_folder / name).exists()
    assert not ReceivedInstance.objects.exists()
