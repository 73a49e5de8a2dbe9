"""What the capacity planner's page says: a short simulation, as rows and plots."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webportal.charts import Axis, ChartSeries, Plot, count_text, lines, share_text, waits
from webportal.operations.capacity.assumptions import UploadPath
from webportal.operations.capacity.basis import GivenAssumptions, combine
from webportal.operations.capacity.measured import Measured
from webportal.operations.capacity.planner import (
    CapacityPlan,
    CapacityTarget,
    SimulatedFigure,
    plan,
)
from webportal.operations.capacity.words import headline, interval_text
from webportal.records.choices import Priority

# Threads that serve pages share one core: a simulation may take one or two seconds of it.
_MOST_IMAGES = 2_000
_MOST_IMAGES_OF_A_DAY = 8_000
_REPLICATIONS = 3
# The most images that one request may simulate.
_MOST_SIMULATED = 100_000


def answer_to(wanted: dict[str, Any], found: Measured) -> dict[str, Any]:
    """What the page shows for a form. Raises NotMeasuredError and TooManyImagesError."""
    given = GivenAssumptions(
        studies_per_hour=wanted["studies_per_hour"],
        images_per_study=wanted["images_per_study"],
        as_measured=wanted["profile"] == "measured",
        device=wanted.get("device") or None,
        path=UploadPath(portals=wanted["portals"]),
    )
    basis = combine(given, found)
    target = CapacityTarget(
        within_seconds=wanted["within"],
        percentile=float(wanted["percentile"]),
        replications=_REPLICATIONS,
        most_images=_MOST_IMAGES,
        most_images_of_a_day=_MOST_IMAGES_OF_A_DAY,
        most_simulated=_MOST_SIMULATED,
    )
    answer = plan(basis.assumptions, target)
    return {
        "answer": answer,
        "headline": headline(basis.assumptions, target, answer),
        "basis": basis,
        "rows": [
            {
                "option": option,
                "times": [interval_text(option.worst)]
                + [interval_text(option.by_priority[each.name.lower()]) for each in Priority],
                "use": share_text(option.use),
            }
            for option in answer.options
        ],
        "percentile": wanted["percentile"],
        "priorities": Priority,
        "resources": [
            (_("portals"), share_text(answer.portal_use)),
            (_("audit trail"), share_text(answer.trail_use)),
        ],
        "plots": _plots(answer, wanted["within"]),
    }


def _plots(answer: CapacityPlan, within: float) -> list[Plot]:
    """Times by number of workers, and the unfinished images of a day where it was simulated."""
    if not answer.options:
        return []
    axis = Axis([option.workers for option in answer.options], str, _workers)
    series = [
        ChartSeries(
            str(priority.label),
            f"priority-{priority.name.lower()}",
            [_time(option.by_priority[priority.name.lower()]) for option in answer.options],
        )
        for priority in Priority
    ]
    goal = ChartSeries(_("target"), "kind-others", [within] * len(answer.options), is_dashed=True)
    note = _("The axis of times is logarithmic.")
    plots = [waits(_("Time to the result by number of workers"), axis, [*series, goal], note)]
    if answer.backlog:
        day = Axis(range(len(answer.backlog)), _end, _clock, label_at=1)
        backlog = [ChartSeries(_("images"), "kind-0", answer.backlog)]
        plots.append(lines(_("Unfinished images in the course of a day"), day, backlog, count_text))
    return plots


def _time(estimate: SimulatedFigure | None) -> float | None:
    return None if estimate is None else estimate.mean


def _workers(count: int) -> str:
    return ngettext("{count} worker", "{count} workers", count).format(count=count)


def _end(quarter: int) -> str:
    return f"{(quarter + 1) // 4:02}"


def _clock(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


def too_many() -> str:
    """Why the page plans nothing, and what does."""
    return _(
        "This takes a simulation of more than {images} images, which is too much for this page. Run"
        " manage.py capacity on the server, or allow less time for a result."
    ).format(images=f"{_MOST_SIMULATED:,}")
