"""Pages of the files held for patient matching."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from ml.errors import ImageError
from webportal.access.shown import show
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake.access_reporting import show_items
from webportal.intake.checks import sandbox
from webportal.intake.errors import IntakeError, NotHeldError
from webportal.intake.held import preview, resolution
from webportal.intake.held.forms import HeldFileForm, initial_of
from webportal.intake.held.reasons import held_for
from webportal.intake.held.resolution import Correction, HeldDecision, Question
from webportal.intake.models import UploadItem, Verdict
from webportal.storage import DamagedFileError, read_verified

ITEMS_PER_PAGE = 100
_DECIDED_AT_ONCE = (
    HeldDecision.SAME,
    HeldDecision.OTHER,
    HeldDecision.DISCARD,
    HeldDecision.BIKRAM_SAMBAT,
)


@allow(*UPLOADERS)
@require_GET
def held(request: SignedInRequest) -> HttpResponse:
    """The list of held files, whose patient is in doubt, oldest first."""
    items = (
        UploadItem.objects.visible_to(request.user)
        .filter(verdict=Verdict.HELD)
        .select_related("batch__created_by")
    )
    page = Paginator(items, ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    show_items(request, page)
    return render(request, "intake/held.html", {"page": page})


@allow(*UPLOADERS)
@require_http_methods(["GET", "POST"])
def held_item(request: SignedInRequest, item_id: uuid.UUID) -> HttpResponse:
    """One held file beside the record that it contradicts, and the decision on it."""
    item = get_object_or_404(
        UploadItem.objects.visible_to(request.user).select_related("batch"), pk=item_id
    )
    decision = request.POST.get("decision", "")
    # Discarding cannot be undone, so it needs confirmation.
    asks_to_confirm = decision == HeldDecision.DISCARD and "confirmed" not in request.POST
    alike = resolution.alike(item, request.user)
    context: dict[str, object] = {
        "item": item,
        "alike": alike,
        "alike_in_calendar": resolution.alike_in_calendar(item),
        "asks_to_confirm": asks_to_confirm,
        "with_alike": bool(request.POST.get("alike")),
    }
    try:
        if decision in _DECIDED_AT_ONCE and not asks_to_confirm:
            return _decide(request, item, HeldDecision(decision))
        asked = resolution.question(item, request.user)
    except NotHeldError as reason:
        messages.info(request, reason.message)
        return redirect("intake:held")
    except IntakeError as reason:
        show_items(request, [item, *alike])
        return render(request, "intake/held_item.html", context | {"refusal": reason.message})
    is_corrected = decision == HeldDecision.CORRECTED
    form = HeldFileForm(request.POST if is_corrected else None, initial=initial_of(asked))
    if is_corrected and form.is_valid():
        return _decide(request, item, HeldDecision.CORRECTED, asked, form.correction(asked))
    show_items(request, [item, *alike])
    if asked.recorded is not None:
        show(request, patient_ids=[asked.recorded.pk])
        append(Event(Action.PATIENT_VIEWED, "patient", asked.recorded.pk), request.user)
    held_file = held_for(item.reason)
    context |= {
        "asked": asked,
        "in_doubt": asked.rows_in_doubt | held_file.marks,
        "correctable": resolution.correctable_alike(item, asked, alike),
        "form": form,
        "is_open": is_corrected or held_file.is_corrected,
    }
    return render(request, "intake/held_item.html", context)


@allow(*UPLOADERS)
@require_GET
def held_image(request: SignedInRequest, item_id: uuid.UUID) -> HttpResponse:
    """A small preview of a held file, for the person who decides whose image it is."""
    item = get_object_or_404(
        UploadItem.objects.visible_to(request.user), pk=item_id, verdict=Verdict.HELD
    )
    try:
        picture = sandbox.run(preview.png, read_verified(item.held_key, item.sha256))
    except (FileNotFoundError, DamagedFileError, ImageError):
        words = gettext("The image cannot be shown.")
        return HttpResponse(words, status=404, content_type="text/plain; charset=utf-8")
    append(Event(Action.IMAGE_VIEWED, "upload_item", item.pk), request.user)
    show_items(request, [item])
    return HttpResponse(picture, content_type="image/png")


def _decide(
    request: SignedInRequest,
    item: UploadItem,
    decision: HeldDecision,
    asked: Question | None = None,
    correction: Correction | None = None,
) -> HttpResponse:
    """Decide on a file, and on the selected others of its upload.

    Files that cannot be decided on stay held, and are reported. `asked` and `correction`: for
    HeldDecision.CORRECTED.
    """
    others = _others(item, decision, request, asked) if request.POST.get("alike") else []
    try:
        resolution.resolve(item, decision, request.user, correction)
    except NotHeldError:
        raise
    except IntakeError as reason:
        words = gettext("The file is still held. %(reason)s") % {"reason": reason.message}
        messages.error(request, words)
        return redirect("intake:held-item", item.pk)
    left: list[str] = []
    for other in others:
        try:
            adapted = correction
            if asked is not None and correction is not None:
                its = resolution.question(other, request.user)
                adapted = resolution.for_another(correction, asked, its)
            resolution.resolve(other, decision, request.user, adapted)
        except IntakeError as reason:
            left.append(f"{other.file_name}: {reason.message}")
    messages.success(request, _done(decision, 1 + len(others) - len(left)))
    if left:
        words = gettext("Not decided: %(files)s") % {"files": " ".join(left)}
        messages.warning(request, words)
    return redirect("intake:held")


def _others(
    item: UploadItem, decision: HeldDecision, request: SignedInRequest, asked: Question | None
) -> list[UploadItem]:
    """The other files of the upload that the decision also covers."""
    if decision == HeldDecision.BIKRAM_SAMBAT:
        return resolution.alike_in_calendar(item)
    others = resolution.alike(item, request.user)
    return resolution.correctable_alike(item, asked, others) if asked else others


def _done(decision: HeldDecision, files: int) -> str:
    words = {
        HeldDecision.SAME: ngettext(
            "The file is recorded for the patient on record.",
            "%(files)d files are recorded for the patient on record.",
            files,
        ),
        HeldDecision.BIKRAM_SAMBAT: ngettext(
            "The file is accepted, with its dates read as Bikram Sambat.",
            "%(files)d files are accepted, with their dates read as Bikram Sambat.",
            files,
        ),
        HeldDecision.CORRECTED: ngettext(
            "The file is recorded as corrected.",
            "%(files)d files are recorded as corrected.",
            files,
        ),
        HeldDecision.OTHER: ngettext(
            "The file is recorded for a new temporary patient, whose record can now be completed.",
            "%(files)d files are recorded for a new temporary patient, whose record can now be"
            " completed.",
            files,
        ),
        HeldDecision.DISCARD: ngettext(
            "The file is discarded.", "%(files)d files are discarded.", files
        ),
    }
    return words[decision] % {"files": files}
