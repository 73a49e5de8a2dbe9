"""What hospital IT can do with audit entries that a server refuses."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.auditexport import setting_aside
from webportal.auditexport.setting_aside import SettingAsideError
from webportal.operations.forms import SetAsideForm


@allow(Role.IT)
@require_POST
def set_aside(request: SignedInRequest) -> HttpResponse:
    """Set aside the entry at which the export is stuck."""
    form = SetAsideForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("There is no such entry."))
        return redirect("operations:queue")
    asked = form.cleaned_data
    try:
        setting_aside.set_next_aside(asked["address"], asked["sequence"], request.user)
    except SettingAsideError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The entry is left out; those after it are sent."))
    return redirect("operations:queue")


@allow(Role.IT)
@require_POST
def send_again(request: SignedInRequest, entry_id: uuid.UUID) -> HttpResponse:
    """Have the scheduler send an entry again that was set aside."""
    try:
        setting_aside.send_again(entry_id, request.user)
    except SettingAsideError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The entry will be sent again within seconds."))
    return redirect("operations:queue")


@allow(Role.IT)
@require_POST
def give_up(request: SignedInRequest, entry_id: uuid.UUID) -> HttpResponse:
    """Give up sending an entry."""
    try:
        setting_aside.give_up(entry_id, request.user)
    except SettingAsideError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The server will not get this entry. It stays in the trail."))
    return redirect("operations:queue")
