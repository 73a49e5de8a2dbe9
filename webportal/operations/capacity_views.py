"""The capacity planner's page: a short simulation, from the installation's own figures."""

import threading
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.operations.capacity.basis import NotMeasuredError
from webportal.operations.capacity.measured import measure
from webportal.operations.forms import CapacityForm

_one_at_a_time = threading.Lock()


@allow(Role.IT)
@require_safe
def capacity(request: SignedInRequest) -> HttpResponse:
    """How many workers the load in the form needs."""
    # Here, because NumPy's random numbers would take 3 MB of every portal's memory.
    from webportal.operations.capacity.answering import answer_to, too_many
    from webportal.operations.capacity.planner import TooManyImagesError

    found = measure()
    form = CapacityForm(request.GET or None, found=found)
    context: dict[str, Any] = {"form": form, "found": found}
    if form.is_valid():
        if _one_at_a_time.acquire(blocking=False):
            try:
                context |= answer_to(form.cleaned_data, found)
            except NotMeasuredError as error:
                form.add_error(None, str(error))
            except TooManyImagesError:
                form.add_error(None, too_many())
            finally:
                _one_at_a_time.release()
        else:
            form.add_error(
                None, _("Somebody else is running a simulation just now. Try again in a moment.")
            )
    return render(request, "operations/capacity.html", context)
