"""One run: a fresh system, uploading clients, a sequence of faults, and the verdict."""

import random
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from chaos.clients import Client, Files, Ledger, Sender
from chaos.faults import FAULTS, WITH_STANDBY, NotPossibleError
from chaos.system import Limits, System

CLIENTS = 3
# Length of the queue when a fault begins.
BURST = 24


@dataclass(frozen=True)
class Recovery:
    """Recovery times, in seconds after the end of a fault."""

    fault: str
    #: until a new upload was answered
    upload: float
    #: until that upload had its result
    result: float
    #: until every job that was open before the fault was closed
    backlog: float


@dataclass
class RoundOutcome:
    """The outcome of a run."""

    seed: int
    jobs: int = 0
    recoveries: list[Recovery] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    not_made: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)


def run(
    seed: int, faults: Sequence[str], jobs: int, limits: Limits, *, clocks: bool
) -> RoundOutcome:
    """Inject the faults into a fresh system while at least `jobs` images are uploaded."""
    with System(limits, with_clocks=clocks) as system:
        return _Run(system, seed).all(faults, jobs)


class _Run:
    def __init__(self, system: System, seed: int) -> None:
        from webportal.accounts.models import Role
        from webportal.accounts.services import create_token, create_user
        from webportal.intake.batches.services import create_batch

        self._system = system
        self._random = random.Random(seed)
        self._outcome = RoundOutcome(seed)
        self._ledger = Ledger()
        self._files = Files(seed)
        self._line: deque[bytes] = deque()
        by, _ = create_user("chaos", "Chaos", [Role.UPLOADER], by=None)
        by.must_change_password = False
        by.save(update_fields=["must_change_password"])
        batch = str(create_batch(by, name="chaos").pk)
        token = create_token(by, "chaos")
        self._probe = Sender(system.port, token, batch, self._ledger)
        senders = [Sender(system.port, token, batch, self._ledger) for _ in range(CLIENTS)]
        self._clients = [Client(each, self._line, seed + n) for n, each in enumerate(senders)]

    def all(self, faults: Sequence[str], jobs: int) -> RoundOutcome:
        for client in self._clients:
            client.start()
        self._one_through("the first image had its result")
        for name in faults:
            self._one(name)
        missing = jobs - len(self._ledger.accepted) - len(self._line)
        self._line.extend(self._files.take(max(missing, 0)))
        self._end()
        return self._outcome

    def _one(self, name: str) -> None:
        from webportal.inference.models import Job, JobState

        if name in WITH_STANDBY:
            self._system.start_standby()
        self._line.extend(self._files.take(BURST))
        self._system.wait_until(
            lambda: Job.objects.filter(state=JobState.RUNNING).exists() or not self._line,
            "a worker had jobs",
        )
        time.sleep(self._random.uniform(0, 0.5))
        is_open = Job.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
        before = set(is_open.values_list("pk", flat=True))
        try:
            moment = FAULTS[name](self._system, self._random)
        except NotPossibleError as error:
            self._outcome.not_made.append(f"{name}: {error}")
            return
        except AssertionError as error:
            self._outcome.violations.append(f"{name}: {error}")
            moment = time.monotonic()
        upload, result = self._one_through(f"there was a result after: {name}")
        backlog = self._system.wait_until(
            lambda: not is_open.filter(pk__in=before).exists(),
            f"the backlog was done after: {name}",
        )
        recovery = Recovery(name, upload - moment, result - moment, backlog - moment)
        self._outcome.recoveries.append(recovery)

    def _one_through(self, what: str) -> tuple[float, float]:
        """Upload one image; return the times of the answer and of the result."""
        import hashlib

        from webportal.inference.models import Prediction

        data = self._files.next()
        self._system.wait_until(lambda: self._probe.send_once(data), what)
        answered = time.monotonic()
        sha256 = hashlib.sha256(data).hexdigest()
        current = Prediction.objects.filter(radiograph__original_sha256=sha256, is_current=True)
        return answered, self._system.wait_until(current.exists, what)

    def _end(self) -> None:
        from chaos import invariants
        from webportal.inference.models import Job, JobState

        for client in self._clients:
            client.finish()
        self._system.wait_until(
            lambda: not any(client.is_alive() for client in self._clients),
            "every client had its answers",
        )
        is_open = Job.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
        with suppress(RuntimeError):  # jobs still open then are violations
            self._system.wait_until(lambda: not is_open.exists(), "no job was open")
        for member in self._system.members:
            member.stop()
        self._outcome.jobs = Job.objects.count()
        self._outcome.answers = {str(k): n for k, n in sorted(self._ledger.statuses.items())}
        self._outcome.answers["no answer"] = self._ledger.broken
        self._outcome.violations += self._ledger.wrong
        self._outcome.violations += invariants.violations(self._ledger.accepted)
