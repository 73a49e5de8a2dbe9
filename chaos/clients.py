"""Clients that upload over REST and retry until they get an answer, as the portal's own do."""

import hashlib
import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

# Increasing delays as in the browser's uploader, but shorter because the outages are.
DELAYS = (0.2, 0.5, 1.0, 2.0)
TIMEOUT_SECONDS = 15
#: The largest number of files per request.
MOST_TOGETHER = 5
#: Status codes that ask the client to retry: too many requests, something is unavailable, no space.
#: Any other error would blame the client.
TRY_AGAIN = {429, 503, 507}


@dataclass
class Ledger:
    """A record of all uploads and answers."""

    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, hashes: Sequence[str], status: int, body: bytes) -> bool:
        """Record an answer; returns whether the files are done."""
        with self.lock:
            self.statuses[status] += 1
            if 200 <= status < 300:
                for sha256, item in zip(hashes, json.loads(body)["items"], strict=True):
                    self.accepted[sha256] = item
                    if item["sha256"] != sha256:
                        self.wrong.append("A file got the answer for another one")
                    if item["verdict"] not in ("accepted", "duplicate"):
                        words = f"{item['verdict']}: {item['reason_code']}"
                        self.wrong.append(f"A valid file was {words}")
                return True
            if status not in TRY_AGAIN:
                self.wrong.append(f"{status}: {body[:300].decode(errors='replace')}")
            return False

    def note_broken(self) -> None:
        """Record a connection that ended without an answer."""
        with self.lock:
            self.broken += 1


class Sender:
    """Sends files to one batch."""

    def __init__(self, port: int, token: str, batch: str, ledger: Ledger) -> None:
        self._port, self._token, self._batch, self._ledger = port, token, batch, ledger

    def send_once(self, *files: bytes) -> bool:
        """Send files in one request; returns whether the answer is final."""
        hashes = [hashlib.sha256(data).hexdigest() for data in files]
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        try:
            status, body = self._post(connection, dict(zip(hashes, files, strict=True)))
        except (OSError, http.client.HTTPException):
            self._ledger.note_broken()
            return False
        finally:
            connection.close()
        return self._ledger.note(hashes, status, body)

    def _post(
        self, connection: http.client.HTTPConnection, files: dict[str, bytes]
    ) -> tuple[int, bytes]:
        boundary = uuid.uuid4().hex
        parts = b"".join(
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{sha256[:12]}.jpeg"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
            + data
            + b"\r\n"
            for sha256, data in files.items()
        )
        headers = {
            "Authorization": f"Token {self._token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        body = parts + f"--{boundary}--\r\n".encode()
        connection.request("POST", f"/api/v1/batches/{self._batch}/files", body, headers)
        response = connection.getresponse()
        return response.status, response.read()


class Client(threading.Thread):
    """Takes one or more files at a time from a queue, and sends them until they are answered."""

    def __init__(self, sender: Sender, line: deque[bytes], seed: int) -> None:
        super().__init__(daemon=True, name=f"client-{seed}")
        self._sender, self._line = sender, line
        self._random = random.Random(seed)
        self._end = threading.Event()

    def run(self) -> None:
        """Send until the queue is empty and `finish` has been called."""
        while True:
            files = self._take(self._random.randint(1, MOST_TOGETHER))
            if files:
                self._send(files)
                time.sleep(self._random.uniform(0, 0.2))
            elif self._end.wait(0.05):
                return

    def _take(self, count: int) -> list[bytes]:
        files: list[bytes] = []
        with suppress(IndexError):
            while len(files) < count:
                files.append(self._line.popleft())
        return files

    def finish(self) -> None:
        """Let the client end once the queue is empty."""
        self._end.set()

    def _send(self, files: list[bytes]) -> None:
        tries = 0
        while not self._sender.send_once(*files):
            time.sleep(DELAYS[min(tries, len(DELAYS) - 1)] * self._random.uniform(0.5, 1))
            tries += 1


class Files:
    """An endless supply of different small phantoms: two JPEGs, then a DICOM file."""

    def __init__(self, seed: int) -> None:
        from bench import pictures

        self._random = random.Random(seed)
        drawn = [pictures.draw(seed + number, 160) for number in range(3)]
        self._pictures = [pictures.as_jpeg(each) for each in drawn]
        self._count = 0

    def next(self) -> bytes:
        """Create another file, different from all others."""
        from bench.uploads import numbered
        from webportal.intake.checks.wrapping import Header, make_uid, wrap

        self._count += 1
        number = self._random.getrandbits(60)
        jpeg = numbered(self._random.choice(self._pictures), number)
        if self._count % 3:
            return jpeg
        digest = hashlib.sha256(jpeg).hexdigest()
        header = Header(patient_id=f"P{number}", study_instance_uid=make_uid("chaos", digest))
        return wrap(jpeg, header, digest)

    def take(self, count: int) -> Sequence[bytes]:
        """Create a number of files."""
        return [self.next() for _ in range(count)]
