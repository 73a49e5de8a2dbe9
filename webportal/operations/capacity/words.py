"""The capacity plan in sentences."""

import math

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webportal.charts import seconds_text
from webportal.operations.capacity.assumptions import Assumptions
from webportal.operations.capacity.planner import (
    CapacityPlan,
    CapacityTarget,
    Obstacle,
    SimulatedFigure,
)


def headline(assumptions: Assumptions, target: CapacityTarget, answer: CapacityPlan) -> str:
    """What is needed, in one or two sentences."""
    if answer.workers is None:
        return f"{_('No number of workers is enough.')} {_why_not(assumptions, target, answer)}"
    option = next(each for each in answer.options if each.workers == answer.workers)
    workers = (
        ngettext("{count} worker is enough.", "{count} workers are enough.", answer.workers)
        if assumptions.scaling is None
        else ngettext(
            "Scaling up to {count} worker is enough.",
            "Scaling up to {count} workers is enough.",
            answer.workers,
        )
    ).format(count=answer.workers)
    times = _(
        "Even in the slowest hour, {share} of the images have their result within {time} of the"
        " upload."
    ).format(
        share=_("{percent} %").format(percent=f"{target.percentile:g}"),
        time=interval_text(option.worst),
    )
    return f"{workers} {times}"


def _why_not(assumptions: Assumptions, target: CapacityTarget, answer: CapacityPlan) -> str:
    path, rate = assumptions.path, assumptions.load.images_per_second
    if answer.obstacle == Obstacle.PORTALS:
        return _(
            "Uploads are the limit: {rate} files a second arrive in the busiest hour, and"
            " {capacity} can be taken in. At least {needed} portals are needed."
        ).format(
            rate=f"{rate:.1f}",
            capacity=f"{path.portals * path.files_per_second:.1f}",
            needed=math.floor(rate / path.files_per_second) + 1,
        )
    if answer.obstacle == Obstacle.TRAIL:
        return _(
            "The database is the limit: every upload is one transaction at the end of the audit"
            " trail, which takes {capacity} a second, and {rate} arrive in the busiest hour. Divide"
            " the hospitals among several installations."
        ).format(rate=f"{rate:.1f}", capacity=f"{path.commits_per_second:g}")
    floor = "–" if answer.floor is None else seconds_text(answer.floor)
    if answer.obstacle == Obstacle.UPLOAD:
        return _(
            "Uploads are the limit: they alone take most of the {floor} that even the fastest"
            " result takes. Add portals."
        ).format(floor=floor)
    if answer.obstacle == Obstacle.WORKER:
        return _(
            "Even an idle worker has the result after {floor}. A faster device is needed."
        ).format(floor=floor)
    return _("More than {workers} would be needed.").format(workers=answer.options[-1].workers)


def interval_text(estimate: SimulatedFigure | None) -> str:
    """A time with its interval, such as ‘42 s (40 s to 44 s)’; ‘–’ where there is none."""
    if estimate is None:
        return "–"
    if not math.isfinite(estimate.mean):
        return _("no result")
    time, low, high = map(seconds_text, (estimate.mean, estimate.low, estimate.high))
    if low == high:
        return time
    return _("{time} ({low} to {high})").format(time=time, low=low, high=high)
