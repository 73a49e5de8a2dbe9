"""Text templates for the impression: readers' own, and shared ones."""

import uuid

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.review.models import TextTemplate


class TemplateForm(forms.ModelForm[TextTemplate]):
    """A text, its key, and whether it is shared with all radiologists."""

    key = forms.RegexField(
        r"^[a-z0-9]$",
        label=gettext_lazy("Key"),
        help_text=gettext_lazy(
            "A lowercase letter or a digit; q followed by this key inserts the text."
        ),
        error_messages={
            "invalid": gettext_lazy("The key is one lowercase letter, a to z, or a digit.")
        },
        widget=forms.TextInput(attrs={"maxlength": 1, "size": 2, "autocomplete": "off"}),
    )
    is_shared = forms.BooleanField(
        label=gettext_lazy("Shared with all radiologists"), required=False
    )

    class Meta:
        model = TextTemplate
        fields = ["key", "name", "text"]
        widgets = {"text": forms.Textarea(attrs={"rows": 4})}


def texts_of(person: User) -> QuerySet[TextTemplate]:
    """The texts that this person may use and change: personal and shared."""
    return TextTemplate.objects.filter(Q(owner=person) | Q(owner=None)).order_by("key")


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
def text_templates(request: SignedInRequest) -> HttpResponse:
    """All texts, and a form for a new one."""
    form = TemplateForm(request.POST or None, instance=TextTemplate())
    if form.is_valid() and _save(form, request.user):
        messages.success(request, _("The text is saved."))
        return redirect("review:text-templates")
    return _page(request, form, None)


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
def text_template(request: SignedInRequest, template_id: uuid.UUID) -> HttpResponse:
    """Change a text."""
    template = get_object_or_404(texts_of(request.user), pk=template_id)
    initial = {"is_shared": template.owner_id is None}
    form = TemplateForm(request.POST or None, instance=template, initial=initial)
    if form.is_valid() and _save(form, request.user):
        messages.success(request, _("The text is saved."))
        return redirect("review:text-templates")
    return _page(request, form, template)


@allow(Role.RADIOLOGIST)
@require_POST
def remove(request: SignedInRequest, template_id: uuid.UUID) -> HttpResponse:
    """Remove a text."""
    template = get_object_or_404(texts_of(request.user), pk=template_id)
    with transaction.atomic():
        template.delete()
        append(Event(Action.TEMPLATE_REMOVED, "text_template", template_id), request.user)
    messages.success(request, _("The text is removed."))
    return redirect("review:text-templates")


def _save(form: TemplateForm, by: User) -> bool:
    """Save the text of a valid form; its key must be unique for its owner."""
    template = form.save(commit=False)
    template.owner = None if form.cleaned_data["is_shared"] else by
    try:
        with transaction.atomic():
            template.save()
            detail = {"shared": template.owner is None, "key": template.key}
            append(Event(Action.TEMPLATE_SAVED, "text_template", template.pk, detail=detail), by)
    except IntegrityError:
        form.add_error("key", _("Another text has this key: choose a free one."))
        return False
    return True


def _page(
    request: SignedInRequest, form: TemplateForm, edited: TextTemplate | None
) -> HttpResponse:
    context = {"templates": texts_of(request.user), "form": form, "edited": edited}
    status = 422 if form.is_bound else 200
    return render(request, "review/study/text_templates.html", context, status=status)
