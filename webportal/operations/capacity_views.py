"""The capacity planner's page: a short simulation, from the installation's own figures."""

import threading
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.charts import (
    Axis,
    Plot,
    Series,
    count_text,
    lines,
    share_text,
    waits,
)
from webportal.operations.capacity.assumptions import UploadPath
from webportal.operations.capacity.basis import Given, NotMeasuredError, combine
from webportal.operations.capacity.measured import Measured, measure
from webportal.operations.capacity.planner import (
    CapacityPlan,
    Estimate,
    Question,
    TooManyImagesError,
    plan,
)
from webportal.operations.capacity.words import headline, interval_text
from webportal.operations.forms import CapacityForm
from webportal.records.choices import Priority

# Threads that serve pages share one core: a simulation may take one or two seconds of it.
_MOST_IMAGES = 2_000
_MOST_IMAGES_OF_A_DAY = 8_000
_REPLICATIONS = 3
# The most images that one request may simulate.
_MOST_SIMULATED = 100_000
_one_at_a_time = threading.Lock()


@allow(Role.IT)
@require_safe
def capacity(request: SignedInRequest) -> HttpResponse:
    """How many workers the load in the form needs."""
    found = measure()
    form = CapacityForm(request.GET or None, found=found)
    context: dict[str, Any] = {"form": form, "found": found}
    if form.is_valid():
        if _one_at_a_time.acquire(blocking=False):
            try:
                context |= _plan(form.cleaned_data, found)
            except NotMeasuredError as error:
                form.add_error(None, str(error))
            except TooManyImagesError:
                form.add_error(None, _too_many())
            finally:
                _one_at_a_time.release()
        else:
            form.add_error(None, _("Somebody else is planning just now. Try again in a moment."))
    return render(request, "operations/capacity.html", context)


def _too_many() -> str:
    return _(
        "This takes a simulation of more than {images} images, which is too much for this page. Run"
        " manage.py capacity on the server, or allow less time for a result."
    ).format(images=f"{_MOST_SIMULATED:,}")


def _plan(wanted: dict[str, Any], found: Measured) -> dict[str, Any]:
    given = Given(
        studies_per_hour=wanted["studies_per_hour"],
        images_per_study=wanted["images_per_study"],
        as_measured=wanted["profile"] == "measured",
        device=wanted.get("device") or None,
        path=UploadPath(portals=wanted["portals"]),
    )
    basis = combine(given, found)
    question = Question(
        within_seconds=wanted["within"],
        percentile=float(wanted["percentile"]),
        replications=_REPLICATIONS,
        most_images=_MOST_IMAGES,
        most_images_of_a_day=_MOST_IMAGES_OF_A_DAY,
        most_simulated=_MOST_SIMULATED,
    )
    answer = plan(basis.assumptions, question)
    return {
        "answer": answer,
        "headline": headline(basis.assumptions, question, answer),
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
        Series(
            str(priority.label),
            f"priority-{priority.name.lower()}",
            [_time(option.by_priority[priority.name.lower()]) for option in answer.options],
        )
        for priority in Priority
    ]
    goal = Series(_("target"), "kind-others", [within] * len(answer.options), is_dashed=True)
    note = _("The axis of times is logarithmic.")
    plots = [waits(_("Time to the result by number of workers"), axis, [*series, goal], note)]
    if answer.backlog:
        day = Axis(range(len(answer.backlog)), _end, _clock, label_at=1)
        backlog = [Series(_("images"), "kind-0", answer.backlog)]
        plots.append(lines(_("Unfinished images in the course of a day"), day, backlog, count_text))
    return plots


def _time(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.mean


def _workers(count: int) -> str:
    return ngettext("{count} worker", "{count} workers", count).format(count=count)


def _end(quarter: int) -> str:
    return f"{(quarter + 1) // 4:02}"


def _clock(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"
