"""The running system on a single machine: folders, secrets and environment."""

import errno
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from deploy.local.service import write_private

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 8000
DEFAULT_DICOM_PORT = 11112
DEFAULT_ORDERS_PORT = 2575
WILDCARDS = ("0.0.0.0", "::")
# Unavailable ports: used by another program, or reserved for root.
TAKEN = (errno.EADDRINUSE, errno.EACCES)
OWNER = "DATABASE_OWNER_URL"
# The keys that are generated, and where those before them are kept.
OLD_KEYS = {"SECRET_KEY": "SECRET_KEY_FALLBACKS", "AUDIT_KEY": "AUDIT_OLD_KEYS"}
# Settings that all processes of one system must share.
SHARED = (
    "DATABASE_URL",
    OWNER,
    "BROKER_URL",
    "STORAGE_URL",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "AUDIT_KEY",
    "AUDIT_OLD_KEYS",
    "SECOND_FACTOR_KEYS",
    "AUDIT_ANCHOR_FILE",
    "AUDIT_ANCHOR_COPY",
    "AUDIT_ANCHOR_SYSLOG",
    "BACKUP_REPOSITORY",
    "BACKUP_RECIPIENTS",
    "DICOM_AE_TITLE",
    "DICOM_PORT",
    "DICOM_INBOX",
    "ORDERS_PORT",
)


class SystemStateError(Exception):
    """The system is not in a usable state; the message says what to do."""


@dataclass(frozen=True)
class Folders:
    """The data folders on a single machine, below `var`."""

    var: Path

    @classmethod
    def from_environment(cls) -> "Folders":
        """The folders below CHESTLINE_VAR, or below `var` in the checkout."""
        return cls(Path(os.environ.get("CHESTLINE_VAR", ROOT / "var")).resolve())

    @property
    def log(self) -> Path:
        """Output of the processes."""
        return self.var / "log"

    @property
    def run(self) -> Path:
        """State needed only while the system runs."""
        return self.var / "run"

    @property
    def secrets(self) -> Path:
        """The keys generated at the first start; back them up, too."""
        return self.var / "secrets"

    @property
    def lock(self) -> Path:
        """Locked by the supervisor; contains its process id."""
        return self.run / "supervisor"

    @property
    def environment(self) -> Path:
        """The settings of the running system."""
        return self.run / "environment.json"

    def create(self) -> None:
        """Create the folders, closed to other users; raises SystemStateError if not ours."""
        try:
            for folder in (self.var, self.log, self.run, self.secrets):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except PermissionError as error:
            raise SystemStateError(f"{error.filename} cannot be written to by this user.") from None
        owner = self.var.stat().st_uid
        if owner != os.geteuid():
            raise SystemStateError(
                f"{self.var} belongs to the user with the id {owner}. Run as that user, or set "
                "CHESTLINE_VAR to another folder."
            )


@contextmanager
def only_supervisor(folders: Folders) -> Iterator[None]:
    """Hold the lock that allows one supervisor per folder; it is released when the process ends.

    Raises:
        SystemStateError: another supervisor holds it.
    """
    with folders.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = folders.lock.read_text().strip()
            raise SystemStateError(
                f"Chestline is already running here (process {pid}, data in {folders.var}). "
                "Stop it with Ctrl-C in its terminal or with 'make stop'."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
        lock.truncate(0)


def supervisor_pid(folders: Folders) -> int | None:
    """The process id of the running supervisor, or None."""
    if not folders.lock.exists():
        return None
    with folders.lock.open() as lock:
        while not _is_free(lock):
            # Empty for the moment in which the supervisor takes the lock or is about to release it.
            if pid := folders.lock.read_text():
                return int(pid)
            time.sleep(0.01)
    return None


def _is_free(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_given(name: str) -> bool:
    """Whether the environment sets `name`, directly or through a file (`name`_FILE)."""
    return name in os.environ or f"{name}_FILE" in os.environ


def own_settings(folders: Folders, hosts: list[str]) -> dict[str, str]:
    """The settings of portal and workers that the environment does not set."""
    settings = {"CHESTLINE_VAR": str(folders.var)}
    for name in ("SECRET_KEY", "AUDIT_KEY"):
        if not is_given(name):
            settings[name] = _secret(folders.secrets / name.lower())
            earlier = folders.secrets / OLD_KEYS[name].lower()
            if earlier.exists() and not is_given(OLD_KEYS[name]):
                settings[OLD_KEYS[name]] = earlier.read_text()
    if not is_given("ALLOWED_HOSTS"):
        settings["ALLOWED_HOSTS"] = ",".join(hosts)
    return settings


def new_key(folders: Folders, name: str) -> None:
    """Generate another key for the next start, and keep the present one among the old ones.

    Raises SystemStateError if there is none, or the environment sets it.
    """
    file = folders.secrets / name.lower()
    if is_given(name) or not file.exists():
        raise SystemStateError(f"{name} is not in {file}: change it where it is set.")
    earlier = folders.secrets / OLD_KEYS[name].lower()
    before = earlier.read_text() if earlier.exists() else ""
    # First, so that no key is lost if this is interrupted.
    write_private(earlier, f"{file.read_text()}\n{before}")
    write_private(file, secrets.token_urlsafe(48))


def write_environment(folders: Folders, settings: dict[str, str]) -> None:
    """Store the running system's settings, given and generated, for `running_environment`."""
    names = [variable for name in SHARED for variable in (name, f"{name}_FILE")]
    given = {name: os.environ[name] for name in names if name in os.environ}
    write_private(folders.environment, json.dumps(given | settings, indent=1))


def running_environment(folders: Folders) -> dict[str, str]:
    """The environment of the running system, for a command that joins it.

    Raises:
        SystemStateError: no system is running.
    """
    if supervisor_pid(folders) is None or not folders.environment.exists():
        raise SystemStateError("Chestline is not running here. Start it with 'make run' first.")
    settings: dict[str, str] = json.loads(folders.environment.read_text())
    return {**os.environ, **settings}


def without_owner(environment: dict[str, str]) -> dict[str, str]:
    """Remove the owner's database URL from an environment, and return it."""
    for name in (OWNER, f"{OWNER}_FILE"):
        environment.pop(name, None)
    return environment


def listen(address: str) -> socket.socket:
    """Listen on `address` (host or host:port), or on the next free port if that one is taken.

    Raises:
        SystemStateError: the host is not an address of this machine.
    """
    host, port = _split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + 200, 65536)):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            if isinstance(error, socket.gaierror) or error.errno not in TAKEN:
                raise SystemStateError(
                    f"Cannot listen on {host} (CHESTLINE_LISTEN): {error.strerror}."
                ) from None
            continue
        return listener
    raise SystemStateError(f"No port from {port} on is free on {host} (CHESTLINE_LISTEN).")


def dicom_port() -> int:
    """DICOM_PORT, else the first free port from the usual one on. Raises SystemStateError."""
    return _port("DICOM", DEFAULT_DICOM_PORT, "receive DICOM")


def orders_port() -> int:
    """ORDERS_PORT, else the first free port from the usual one on. Raises SystemStateError."""
    return _port("ORDERS", DEFAULT_ORDERS_PORT, "receive orders")


def _port(prefix: str, default: int, purpose: str) -> int:
    given = os.environ.get(f"{prefix}_PORT")
    host = os.environ.get(f"{prefix}_ADDRESS", "127.0.0.1")
    first = default if given is None else int(given)
    for port in range(first, first + (200 if given is None else 1)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise SystemStateError(
        f"Cannot {purpose} on {host}, port {first} ({prefix}_ADDRESS, {prefix}_PORT): it is taken,"
        " or no address of this machine."
    )


def url_of(listener: socket.socket) -> str:
    """The URL to open in a browser on this machine; with a host name, as passkeys need one."""
    host, port = listener.getsockname()[:2]
    if host in WILDCARDS or host in ("127.0.0.1", "::1"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def host_names(listener: socket.socket) -> list[str]:
    """The allowed host names: only those it listens on."""
    names = {"localhost", "127.0.0.1", "[::1]"}
    host = listener.getsockname()[0]
    if host in WILDCARDS:
        names |= {socket.gethostname(), socket.getfqdn()}
        addresses = [a for each in psutil.net_if_addrs().values() for a in each]
        names |= {a.address for a in addresses if a.family == socket.AF_INET}
    elif not host.startswith("127."):
        names |= {f"[{host}]" if ":" in host else host, socket.gethostname()}
    return sorted(names)


def _split_address(address: str) -> tuple[str, int]:
    host, separator, port = address.rpartition(":")
    if not separator or address.endswith("]"):
        return address.strip("[]"), DEFAULT_PORT
    if not port.isdigit():
        raise SystemStateError(f"CHESTLINE_LISTEN={address}: not a host or a host:port.")
    return host.strip("[]"), int(port)


def _secret(file: Path) -> str:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(48))
    return file.read_text()
