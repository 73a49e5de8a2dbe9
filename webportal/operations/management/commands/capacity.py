"""`manage.py capacity`: how many workers an installation needs."""

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict, replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from webportal.charts import share_text
from webportal.operations.capacity.assumptions import (
    USUAL_COMMITS_PER_SECOND,
    USUAL_PORTAL_FILES_PER_SECOND,
    USUAL_UPLOAD_SECONDS,
    BatchTime,
    Scaling,
    UploadPath,
    WorkerSpeed,
)
from webportal.operations.capacity.basis import (
    USUAL_SPEED,
    GivenAssumptions,
    NotMeasuredError,
    combine,
)
from webportal.operations.capacity.measured import measure
from webportal.operations.capacity.planner import CapacityPlan, CapacityTarget, plan
from webportal.operations.capacity.words import headline, interval_text

_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """A time such as ‘60s’, ‘10m’ or ‘4h’ in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found or not float(found[1]):
        raise ArgumentTypeError(f"{text} is not a duration such as 60s, 10m or 4h")
    return float(found[1]) * _UNITS[found[2] or "s"]


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"{text} is not a number above 0")
    return value


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def share(text: str) -> float:
    """A share from 0 to less than 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise ArgumentTypeError(f"{text} is not a share from 0 to less than 1")
    return value


def percentile(text: str) -> float:
    """A percentile between 0 and 100."""
    value = positive(text)
    if value >= 100:
        raise ArgumentTypeError(f"{text} is not a percentile between 0 and 100")
    return value


def priorities(text: str) -> list[float]:
    """The shares of stat, urgent and routine."""
    parts = text.split(",")
    if len(parts) != 3 or not all(re.fullmatch(r"\d+(\.\d+)?", part) for part in parts):
        raise ArgumentTypeError(f"{text} is not a list of three shares such as 2,8,90")
    values = [float(part) for part in parts]
    if not sum(values):
        raise ArgumentTypeError("one of the three shares has to be above 0")
    return values


class Command(BaseCommand):
    """The capacity planner; see docs/capacity.md."""

    help = "Simulate the queue: how many workers are needed for results to arrive in time?"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add, path = parser.add_argument, "not measured here; default: %(default)s"
        add("--studies-per-hour", type=positive, required=True, help="in the busiest hour")
        add("--within", type=seconds, required=True, help="upload to result: 60s, 10m, 4h")
        add("--percentile", type=percentile, default=95.0, help="default: %(default)s")
        add("--images-per-study", type=positive, help="default: as measured, or 1")
        add("--priorities", type=priorities, help="shares of stat, urgent, routine: 2,8,90")
        add("--profile", choices=["flat", "measured"], default="flat", help="hours of the day")
        add("--device", help="of the workers, as measured; default: the one with most batches")
        own = "not measured here; of workers that have not run yet"
        add("--batch-ms", type=positive, help=f"fixed time of a batch; {own}")
        add("--image-ms", type=positive, help=f"time of an image in a batch; {own}")
        add("--batch-size", type=count, help="default: INFERENCE_BATCH_SIZE")
        add("--portals", type=count, default=1, help="portal processes; default: %(default)s")
        usual = USUAL_PORTAL_FILES_PER_SECOND
        add("--portal-files-per-second", type=positive, default=usual, help=path)
        add("--upload-ms", type=positive, default=1000 * USUAL_UPLOAD_SECONDS, help=path)
        add("--commits-per-second", type=positive, default=USUAL_COMMITS_PER_SECOND, help=path)
        add("--failing", type=share, help="share of attempts that fail; default: as measured, or 0")
        add("--lost-per-day", type=positive, default=0.0, help="how often a worker is lost")
        add("--back-after", type=seconds, default=300.0, help="until a lost worker is replaced")
        add("--scale-from", type=int, help="scale as the Helm chart does, from this many workers")
        add("--jobs-per-worker", type=count, default=200, help="of the scaling")
        add("--start", type=seconds, default=45.0, help="until an added worker is ready")
        add("--replications", type=count, default=5, help="default: %(default)s")
        add("--seed", type=count, default=1, help="default: %(default)s")
        add("--json", action="store_true", help="print JSON")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            basis = combine(_given(options), measure())
        except NotMeasuredError as error:
            raise CommandError(str(error)) from error
        target = CapacityTarget(
            within_seconds=options["within"],
            percentile=options["percentile"],
            replications=options["replications"],
            seed=options["seed"],
        )
        answer = plan(basis.assumptions, target)
        words = headline(basis.assumptions, target, answer)
        if options["json"]:
            found = {
                "answer": words,
                "question": asdict(target),
                "assumptions": asdict(basis.assumptions),
                "measured": basis.measured,
                "assumed": basis.assumed,
                **asdict(answer),
            }
            self.stdout.write(json.dumps(found, indent=2))
            return
        self.stdout.write(words)
        self._show(answer, target)
        for title, facts in (
            ("Measured here", basis.measured),
            ("Not measured here", basis.assumed),
        ):
            if facts:
                self.stdout.write(f"\n{title}:")
                self.stdout.writelines(f"  {fact}" for fact in facts)

    def _show(self, answer: CapacityPlan, target: CapacityTarget) -> None:
        if answer.options:
            self._show_options(answer, target)
        self.stdout.write(
            f"\nOther resources in the busiest hour: portals {share_text(answer.portal_use)},"
            f" head of the audit trail {share_text(answer.trail_use)}.\n"
            f"{answer.images} images were simulated."
        )

    def _show_options(self, answer: CapacityPlan, target: CapacityTarget) -> None:
        self.stdout.write(
            f"\nTime from the upload to the result (percentile {target.percentile:g}), and how"
            " much of the workers' capacity\nthe busiest hour takes:\n\n"
            f"{'workers':>7}  {'slowest hour':>22}  {'stat':>18}  {'urgent':>18}"
            f"  {'routine':>18}  {'use':>6}"
        )
        for option in answer.options:
            of_priorities = "  ".join(
                f"{interval_text(each):>18}" for each in option.by_priority.values()
            )
            self.stdout.write(
                f"{option.workers:>7}  {interval_text(option.worst):>22}  {of_priorities}"
                f"  {share_text(option.use):>6}{'' if option.is_enough else '  not enough'}"
            )


def _given(options: dict[str, Any]) -> GivenAssumptions:
    return GivenAssumptions(
        studies_per_hour=options["studies_per_hour"],
        images_per_study=options["images_per_study"],
        priorities=options["priorities"],
        as_measured=options["profile"] == "measured",
        device=options["device"],
        speed=_speed(options),
        path=UploadPath(
            portals=options["portals"],
            files_per_second=options["portal_files_per_second"],
            upload_seconds=options["upload_ms"] / 1000,
            commits_per_second=options["commits_per_second"],
        ),
        failing=options["failing"],
        lost_per_day=options["lost_per_day"],
        back_seconds=options["back_after"],
        scaling=(
            None
            if options["scale_from"] is None
            else Scaling(
                least=options["scale_from"],
                jobs_per_worker=options["jobs_per_worker"],
                start_seconds=options["start"],
            )
        ),
    )


def _speed(options: dict[str, Any]) -> WorkerSpeed | None:
    """The speed that was stated; None if it is to be measured. Both parts belong together."""
    fixed, per_image = options["batch_ms"], options["image_ms"]
    if (fixed is None) != (per_image is None):
        raise CommandError("Give both --batch-ms and --image-ms, or neither.")
    if fixed is None:
        if options["batch_size"] is not None:
            raise CommandError("--batch-size needs --batch-ms and --image-ms.")
        return None
    time = BatchTime(fixed / 1000, per_image / 1000, USUAL_SPEED.following.spread)
    return replace(
        USUAL_SPEED,
        alone=time,
        following=time,
        batch_size=options["batch_size"] or USUAL_SPEED.batch_size,
    )
