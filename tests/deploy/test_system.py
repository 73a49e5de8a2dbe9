"""The portal's addresses on a single machine, and its private files."""

import os
import socket
import stat
from pathlib import Path
from threading import Timer

import psutil
import pytest

from deploy.local.system import (
    Folders,
    SystemStateError,
    host_names,
    listen,
    new_key,
    only_supervisor,
    own_settings,
    running_environment,
    supervisor_pid,
    url_of,
    write_environment,
)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setenv("CHESTLINE_VAR", str(tmp_path / "var"))
    folders = Folders.from_environment()
    folders.create()
    return folders


@pytest.fixture
def taken() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_a_taken_port_is_skipped(taken: socket.socket) -> None:
    with taken, listen(f"127.0.0.1:{taken.getsockname()[1]}") as listener:
        assert listener.getsockname()[1] > taken.getsockname()[1]
        assert url_of(listener) == f"http://localhost:{listener.getsockname()[1]}"


@pytest.mark.parametrize("address", ["192.0.2.1", "no-such-host.invalid", "127.0.0.1:http"])
def test_an_address_of_another_machine_is_named(address: str) -> None:
    with pytest.raises(SystemStateError, match="CHESTLINE_LISTEN"):
        listen(address)


def test_on_loopback_only_loopback_names_are_allowed() -> None:
    with listen("127.0.0.1:0") as listener:
        assert host_names(listener) == ["127.0.0.1", "[::1]", "localhost"]


def test_listening_on_all_addresses_allows_every_name_of_the_machine() -> None:
    own = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    }
    with listen("0.0.0.0:0") as listener:
        assert own | {socket.gethostname()} <= set(host_names(listener))
        assert url_of(listener).startswith("http://localhost:")


def test_keys_are_generated_once_and_private(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET_KEY", "AUDIT_KEY"):
        monkeypatch.delenv(name, raising=False)
    first = own_settings(folders, ["localhost"])
    assert own_settings(folders, ["localhost"]) == first
    assert first["SECRET_KEY"] != first["AUDIT_KEY"]
    for name in ("secret_key", "audit_key"):
        assert stat.S_IMODE((folders.secrets / name).stat().st_mode) == 0o600


def test_a_new_key_keeps_those_before_it(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "AUDIT_KEY", "AUDIT_OLD_KEYS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemStateError, match="AUDIT_KEY is not in"):
        new_key(folders, "AUDIT_KEY")
    made = [own_settings(folders, ["localhost"])["AUDIT_KEY"]]
    for _ in range(2):
        new_key(folders, "AUDIT_KEY")
        made.append(own_settings(folders, ["localhost"])["AUDIT_KEY"])
    assert len(set(made)) == 3
    assert own_settings(folders, [])["AUDIT_OLD_KEYS"].splitlines() == [made[1], made[0]]
    assert stat.S_IMODE((folders.secrets / "audit_old_keys").stat().st_mode) == 0o600
    assert "SECRET_KEY_FALLBACKS" not in own_settings(folders, [])


def test_given_settings_are_left_alone(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "given")
    monkeypatch.delenv("AUDIT_KEY", raising=False)
    monkeypatch.setenv("AUDIT_KEY_FILE", "/run/secrets/audit_key")
    assert not {"SECRET_KEY", "AUDIT_KEY"} & set(own_settings(folders, ["localhost"]))


def test_another_users_folder_is_refused(folders: Folders) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(folders.var, 12345, 12345)
    with pytest.raises(SystemStateError, match="belongs to the user with the id 12345"):
        folders.create()


def test_a_supervisor_that_starts_or_stops_is_no_fault_of_its_lock(folders: Folders) -> None:
    # It holds the lock for a moment before it has written its process id, and after it removed it.
    with only_supervisor(folders):
        folders.lock.write_text("")
        Timer(0.2, folders.lock.write_text, [str(os.getpid())]).start()
        assert supervisor_pid(folders) == os.getpid()
    supervisor = only_supervisor(folders)
    supervisor.__enter__()
    folders.lock.write_text("")
    Timer(0.2, supervisor.__exit__, [None, None, None]).start()
    assert supervisor_pid(folders) is None


def test_settings_are_available_only_while_the_system_runs(folders: Folders) -> None:
    with only_supervisor(folders):
        write_environment(folders, {"DATABASE_URL": "postgresql://here"})
        assert running_environment(folders)["DATABASE_URL"] == "postgresql://here"
    # As after a power cut, which leaves the file behind.
    assert folders.environment.exists()
    with pytest.raises(SystemStateError, match="not running here"):
        running_environment(folders)
