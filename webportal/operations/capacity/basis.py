"""The assumptions of a plan: measured here, given, or typical values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webportal.inference.pacing import GATHER_SECONDS
from webportal.inference.presence import heartbeat_seconds
from webportal.operations.capacity.assumptions import (
    FLAT,
    USUAL_PRIORITIES,
    Assumptions,
    BatchTime,
    Faults,
    Load,
    Scaling,
    UploadPath,
    WorkerSpeed,
)
from webportal.operations.capacity.measured import Measured

# One worker on two virtual cores with ONNX Runtime; assumed, see docs/capacity.md.
USUAL_SPEED = WorkerSpeed(
    alone=BatchTime(0.020, 0.0125, 0.3),
    following=BatchTime(0.010, 0.0100, 0.25),
    closing=BatchTime(0.010, 0.0008, 0.5),
    wake=0.015,
    gather=GATHER_SECONDS,
)


@dataclass(frozen=True)
class GivenAssumptions:
    """Values stated by a person; None where the installation's own figures are to be used."""

    studies_per_hour: float
    images_per_study: float | None = None
    priorities: Sequence[float] | None = None
    as_measured: bool = False
    device: str | None = None
    speed: WorkerSpeed | None = None
    path: UploadPath | None = None
    failing: float | None = None
    lost_per_day: float = 0.0
    back_seconds: float = 300.0
    scaling: Scaling | None = None


@dataclass(frozen=True)
class Basis:
    """The assumptions, with descriptions of those measured here and those assumed."""

    assumptions: Assumptions
    measured: Sequence[str]
    assumed: Sequence[str]


class NotMeasuredError(ValueError):
    """A measured value is wanted that has not been measured."""


def combine(given: GivenAssumptions, found: Measured) -> Basis:
    """Take each value as given, else as measured, else a typical one.

    Raises NotMeasuredError if the wanted profile or device has not been measured.
    """
    measured: list[str] = []
    assumed: list[str] = []
    if given.as_measured and found.profile is None:
        raise NotMeasuredError(_("There are too few images yet to tell how busy each hour is."))
    load = _load(given, found, measured, assumed)
    speed = _speed(given, found, measured, assumed)
    path = given.path or UploadPath()
    assumed.append(
        _(
            "A portal takes in {rate} files a second, and the audit trail {commits} transactions a"
            " second."
        ).format(rate=f"{path.files_per_second:g}", commits=f"{path.commits_per_second:g}")
    )
    if found.files_in_busiest_minute:
        measured.append(
            _("In the busiest minute {files} files came in.").format(
                files=found.files_in_busiest_minute
            )
        )
    faults = Faults(
        failing=given.failing if given.failing is not None else found.failing or 0.0,
        lost_per_day=given.lost_per_day,
        back_seconds=given.back_seconds,
        lease_seconds=settings.INFERENCE_LEASE_SECONDS,
        heartbeat_seconds=heartbeat_seconds(),
        sweep_seconds=settings.SWEEP_SECONDS,
        most_attempts=settings.INFERENCE_MAX_ATTEMPTS,
    )
    return Basis(Assumptions(load, speed, path, faults, given.scaling), measured, assumed)


def _load(
    given: GivenAssumptions, found: Measured, measured: list[str], assumed: list[str]
) -> Load:
    images = given.images_per_study or found.images_per_study or 1.0
    if given.images_per_study is None:
        words = _("{images} images a study.").format(images=f"{images:.2f}")
        (assumed if found.images_per_study is None else measured).append(words)
    priorities = given.priorities or found.priorities or USUAL_PRIORITIES
    if given.priorities is None:
        words = _("Stat {stat} %, urgent {urgent} %, routine {routine} %.").format(
            **dict(
                zip(
                    ("stat", "urgent", "routine"),
                    (f"{100 * each / sum(priorities):.0f}" for each in priorities),
                    strict=True,
                )
            )
        )
        (assumed if found.priorities is None else measured).append(words)
    profile: Sequence[float] = FLAT
    if given.as_measured and found.profile is not None:
        profile = found.profile
        measured.append(_("How busy each hour of the day is."))
    else:
        assumed.append(_("Every hour is as busy as the busiest."))
    return Load(given.studies_per_hour, images, profile, priorities)


def _speed(
    given: GivenAssumptions, found: Measured, measured: list[str], assumed: list[str]
) -> WorkerSpeed:
    if given.speed is not None:
        return given.speed
    devices = [each for each in found.devices if given.device in (None, each.name)]
    if given.device is not None and not devices:
        raise NotMeasuredError(
            _("No worker on “{device}” has done enough batches yet.").format(device=given.device)
        )
    words = _("A worker on {device} does {rate} images a second.")
    if devices:
        device = devices[0]
        rate = f"{device.speed.images_per_second:.1f}"
        measured.append(words.format(device=device.name, rate=rate))
        largest = device.speed.following.largest
        if largest is not None and largest < device.speed.batch_size:
            assumed.append(
                ngettext(
                    "Only batches of {count} image were seen: an image of a larger one is taken to"
                    " cost as much, though it may cost less.",
                    "Only batches of up to {count} images were seen: an image of a larger one is"
                    " taken to cost as much as one of those, though it may cost less.",
                    largest,
                ).format(count=largest)
            )
        return device.speed
    speed = replace(USUAL_SPEED, batch_size=settings.INFERENCE_BATCH_SIZE)
    rate = f"{speed.images_per_second:.1f}"
    assumed.append(words.format(device=_("two cores of a CPU"), rate=rate))
    return speed
