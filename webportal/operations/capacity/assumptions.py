"""The input of the simulation: load, speeds, faults, and how workers are added and removed.

Times are in seconds, rates per second unless their name says otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from webportal.records.choices import Priority

HOURS = 24
FLAT = (1.0,) * HOURS
# The load of a hospital if none has been measured.
USUAL_PRIORITIES = (0.02, 0.08, 0.90)
# For one portal process and one database; assumed, not measured: see docs/capacity.md.
USUAL_PORTAL_FILES_PER_SECOND = 20.0
USUAL_UPLOAD_SECONDS = 0.06
USUAL_COMMITS_PER_SECOND = 300.0


@dataclass(frozen=True)
class Load:
    """The load that arrives.

    Args:
        studies_per_hour: in the busiest hour.
        images_per_study: on average, at least 1.
        profile: how busy each hour of the day is compared with the busiest, 0 to 1.
        priorities: the shares of stat, urgent and routine studies.
    """

    studies_per_hour: float
    images_per_study: float = 1.0
    profile: Sequence[float] = FLAT
    priorities: Sequence[float] = USUAL_PRIORITIES

    @property
    def images_per_second(self) -> float:
        """The rate of the busiest hour."""
        return self.studies_per_hour * self.images_per_study / 3600


@dataclass(frozen=True)
class BatchTime:
    """How long something takes for a batch: a fixed part, and one for each image.

    `spread` is the coefficient of variation: the times follow a gamma distribution. `largest` is
    the largest batch measured: there is no evidence that an image costs less in a larger one. None
    if the times were not measured.
    """

    fixed: float
    per_image: float
    spread: float = 0.0
    largest: int | None = None

    def seconds(self, images: int) -> float:
        """The mean for a batch of `images` images."""
        if self.largest is not None and images > self.largest:
            return self.seconds(self.largest) / self.largest * images
        return self.fixed + self.per_image * images


@dataclass(frozen=True)
class WorkerSpeed:
    """The times of a worker, as its loop takes them (`workers/engine.py`), in seconds.

    Args:
        alone: from the claim of a batch by a worker with nothing else to do, to the result.
        following: from the result of one batch to that of the next, which was claimed meanwhile.
        closing: from the result to the next claim, where nothing was claimed meanwhile, without the
            pause in which images are gathered.
        wake: until an idle worker has claimed what was queued.
        batch_size: the most images of a claim.
        claims_ahead: whether it claims the next batch while one is on the device.
        gather: how long after the start of a batch that was not full the next one is claimed.
    """

    alone: BatchTime
    following: BatchTime
    closing: BatchTime = BatchTime(0, 0)
    wake: float = 0.0
    batch_size: int = 32
    claims_ahead: bool = True
    gather: float = 0.0

    @property
    def images_per_second(self) -> float:
        """The throughput of one worker if every batch is full."""
        size = self.batch_size
        if self.claims_ahead:
            return size / self.following.seconds(size)
        return size / (self.alone.seconds(size) + self.closing.seconds(size))


@dataclass(frozen=True)
class Faults:
    """Faults, and when other workers take over.

    Args:
        failing: the share of attempts at an image that end with an error; it is then first in line
            again at once, alone, until its attempts are used up.
        lost_per_day: how often a worker is lost with what it holds.
        back_seconds: until there is another in its place.
    """

    failing: float = 0.0
    lost_per_day: float = 0.0
    back_seconds: float = 300.0
    lease_seconds: float = 60.0
    heartbeat_seconds: float = 10.0
    sweep_seconds: float = 60.0
    most_attempts: int = 3


@dataclass(frozen=True)
class Scaling:
    """How KEDA adds and removes workers, as the Helm chart sets it up; `most` is what is planned.

    Args:
        least: how many run when there is nothing to do.
        jobs_per_worker: unfinished jobs for which one worker is meant to be enough.
        activation_jobs: more jobs than this wake the first worker.
        start_seconds: from the decision until a new worker claims.
    """

    least: int = 0
    jobs_per_worker: int = 200
    activation_jobs: int = 0
    polling_seconds: float = 15.0
    cooldown_seconds: float = 300.0
    start_seconds: float = 45.0


@dataclass(frozen=True)
class UploadPath:
    """The steps of an upload before it is queued.

    Args:
        portals: portal processes, each on a host of its own.
        files_per_second: the most that one of them takes in.
        upload_seconds: one file on an idle system, from its last byte to the commit.
        commits_per_second: the most transactions that append to the audit trail, whose head is
            locked by one at a time.
    """

    portals: int = 1
    files_per_second: float = USUAL_PORTAL_FILES_PER_SECOND
    upload_seconds: float = USUAL_UPLOAD_SECONDS
    commits_per_second: float = USUAL_COMMITS_PER_SECOND


@dataclass(frozen=True)
class Assumptions:
    """The whole input of the simulation, except the number of workers."""

    load: Load
    speed: WorkerSpeed
    path: UploadPath = field(default_factory=UploadPath)
    faults: Faults = field(default_factory=Faults)
    scaling: Scaling | None = None


PRIORITIES = tuple(Priority)
