"""The measurements. Measurement and baseline alternate, so that other load affects both."""

import http.client
import json
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from bench import pictures
from bench.bare import Loop
from bench.records import file_of
from bench.system import InferenceWorker, Portal
from webportal.accounts.models import User
from webportal.accounts.services import create_token
from webportal.inference.models import Job, JobState, Prediction
from webportal.inference.queue import enqueue
from webportal.records.models import Radiograph

CHUNK = 500
SETTLE_SECONDS = 1
MEGABYTE = 1024**2
LATENCY_ROWS = 1200


@dataclass(frozen=True)
class Figure:
    """One row of the table; `ratio` is measured / baseline."""

    name: str
    measured: float
    baseline: float
    unit: str
    target: str
    is_met: bool
    #: The target as a value of `measured`.
    limit: float
    #: What was measured each time, where it was more than once.
    each_measured: Sequence[float] = ()
    each_baseline: Sequence[float] = ()

    @property
    def ratio(self) -> float:
        """The measured value divided by the baseline."""
        return self.measured / self.baseline


def throughput(radiographs: Sequence[Radiograph], by: User, loop: Loop) -> Figure:
    """Images per second through the queue with one worker, compared with the bare loop."""
    chunks = [radiographs[start : start + CHUNK] for start in range(0, len(radiographs), CHUNK)]
    bare_seconds, queue_seconds = [], []
    for chunk in chunks:
        bare_seconds.append(loop.run([file_of(radiograph) for radiograph in chunk]))
        queue_seconds.append(through_the_queue(chunk, by))
    measured = len(radiographs) / sum(queue_seconds)
    baseline = len(radiographs) / sum(bare_seconds)
    pairs = zip(chunks, queue_seconds, bare_seconds, strict=True)
    speeds = [(len(chunk) / queue, len(chunk) / bare) for chunk, queue, bare in pairs]
    return Figure(
        f"throughput of {len(radiographs)} images, one worker",
        measured,
        baseline,
        "images/s",
        "ratio of at least 0.85",
        measured / baseline >= 0.85,
        0.85 * baseline,
        *zip(*speeds, strict=True),
    )


def through_the_queue(
    radiographs: Sequence[Radiograph],
    by: User,
    measured: AbstractContextManager[Any] | None = None,
) -> float:
    """Queue the radiographs; return the seconds from the commit until all have a result.

    `measured` is entered and left at these two moments.
    """
    with ExitStack() as stack:
        with transaction.atomic():
            for radiograph in radiographs:
                enqueue(radiograph, by)
            if measured is not None:
                stack.enter_context(measured)
            started = time.perf_counter()
        unfinished = Job.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
        while unfinished.exists():
            time.sleep(0.02)
        seconds = time.perf_counter() - started
    ids = [radiograph.pk for radiograph in radiographs]
    stored = Prediction.objects.filter(radiograph__in=ids, is_current=True).count()
    if stored != len(radiographs):
        raise RuntimeError(f"{len(radiographs) - stored} images have no result.")
    # The worker may check the empty queue again, which must not slow the next measurement.
    time.sleep(SETTLE_SECONDS)
    return seconds


def latency(runs: int, by: User, portal: Portal, loop: Loop) -> Figure:
    """Median time from the upload's response to the result, compared with the bare loop.

    Each image is uploaded to an idle system.
    """
    api = Api(portal.port, create_token(by, "a script"))
    batch = api.post_json("/api/v1/batches", {"name": "bench"})["id"]
    drawn = [pictures.as_jpeg(pictures.draw(10_000 + n, LATENCY_ROWS)) for n in range(runs)]
    waited, bare = [], []
    for picture in drawn:
        (item,) = api.post_file(f"/api/v1/batches/{batch}/files", picture)["items"]
        answered = time.perf_counter()
        radiograph = Radiograph.objects.get(pk=item["radiograph"])
        result = Prediction.objects.filter(radiograph=radiograph, is_current=True)
        while not result.exists():
            time.sleep(0.002)
        waited.append(1000 * (time.perf_counter() - answered))
        bare.append(1000 * loop.run([file_of(radiograph)]))
    measured, baseline = statistics.median(waited), statistics.median(bare)
    return Figure(
        f"upload response to visible result, median of {runs}",
        measured,
        baseline,
        "ms",
        "under the baseline + 150 ms",
        measured < baseline + 150,
        baseline + 150,
        waited,
        bare,
    )


def footprint(portal: Portal, worker: InferenceWorker, loop: Loop) -> list[Figure]:
    """Memory of portal and worker, and the start-up time of the portal."""
    seconds, portal_bytes = _bare_portal()
    web = portal.resident_bytes() / MEGABYTE
    inference = worker.resident_bytes() / MEGABYTE
    return [
        Figure("web process", web, portal_bytes / MEGABYTE, "MB", "under 150 MB", web < 150, 150),
        Figure(
            "worker, both processes",
            inference,
            loop.resident_bytes() / MEGABYTE,
            "MB",
            "under 1,200 MB",
            inference < 1200,
            1200,
        ),
        Figure(
            "portal start to ready",
            portal.start_seconds,
            seconds,
            "s",
            "under 3 s",
            portal.start_seconds < 3,
            3,
        ),
    ]


def _bare_portal() -> tuple[float, int]:
    """Start-up time and memory of a Python process that only sets up Django."""
    program = "import django, psutil; django.setup(); print(psutil.Process().memory_info().rss)"
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    return time.perf_counter() - started, int(done.stdout)


class Api:
    """The REST API, used as by a script."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Token {token}"}

    def post_json(self, path: str, body: dict[str, str]) -> dict[str, str]:
        """POST `body` and return the answer; raises RuntimeError for an error."""
        answer: dict[str, str] = self._post(path, json.dumps(body).encode(), "application/json")
        return answer

    def post_file(self, path: str, data: bytes) -> dict[str, list[dict[str, str]]]:
        """POST a file as a form would, and return the answer."""
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="file"; filename="phantom.jpeg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        )
        body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
        content_type = f"multipart/form-data; boundary={boundary}"
        answer: dict[str, list[dict[str, str]]] = self._post(path, body, content_type)
        return answer

    def _post(self, path: str, body: bytes, content_type: str) -> Any:
        headers = self._headers | {"Content-Type": content_type}
        with closing(http.client.HTTPConnection("127.0.0.1", self._port)) as connection:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer: Any = json.loads(response.read())
        if response.status >= 400:
            raise RuntimeError(f"POST {path}: {response.status} {answer}")
        return answer
