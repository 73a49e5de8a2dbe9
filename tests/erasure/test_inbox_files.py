"""A file of the inbox that is to go, and a receiver that starts, or receives it, in between."""

import hashlib
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import OperationalError, connection, transaction
from pytest_django.fixtures import Settings

from tests.network.rows import make_node
from webportal.accounts.models import User
from webportal.erasure import files
from webportal.network import inbox, unrecorded
from webportal.network.models import ReceivedInstance
from webportal.storage.locks import lock_inbox_file

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_file_that_the_receiver_has_recorded_meanwhile_goes_all_the_same(
    inbox_folder: Path,
) -> None:
    name = f"{hashlib.sha256(b'DICM').hexdigest()}.dcm"
    inbox_folder.mkdir()
    (inbox_folder / name).write_bytes(b"DICM")
    assert unrecorded.record() == 1
    assert files.remove(f"{files.INBOX}{name}")
    assert not (inbox_folder / name).exists()
    assert not ReceivedInstance.objects.exists()


def test_the_same_bytes_are_not_received_while_their_file_is_removed(
    inbox_folder: Path, uploader: User, settings: Settings
) -> None:
    settings.UPLOAD_MIN_FREE_BYTES = 0
    node = make_node()
    arrival = inbox.Arrival(node, "127.0.0.1", "1.2", "1.2.3", "1.2.4", "1.2.5", b"DICM")
    sha256 = hashlib.sha256(b"DICM").hexdigest()
    inbox_folder.mkdir()
    locked, may_go = Event(), Event()

    def remove() -> None:
        with transaction.atomic():
            lock_inbox_file(sha256)
            locked.set()
            may_go.wait(60)
        connection.close()

    remover = Thread(target=remove)
    remover.start()
    try:
        assert locked.wait(60)
        for act in (lambda: inbox.receive(arrival), lambda: files.remove(f"inbox:{sha256}.dcm")):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '100ms'")
                with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
                    act()
    finally:
        may_go.set()
        remover.join()
    assert list(inbox_folder.iterdir()) == []
    inbox.receive(arrival)
    assert files.remove(f"inbox:{sha256}.dcm")
    # Acknowledged again since: it stays.
    assert (inbox_folder / f"{sha256}.dcm").exists()
