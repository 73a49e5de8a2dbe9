"""Saved views of the worklist, and the columns a person chose."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.records.choices import ReadingState
from webportal.review.models import SavedView, WorklistPreference
from webportal.review.worklist.columns import columns_for, forget_columns, remember_columns
from webportal.review.worklist.filters import WorklistFilter, readers

LONGEST_NAME = 60


def views_of(user: User) -> QuerySet[SavedView]:
    """Return the views that a person may open: their own, and those shared with all."""
    visible = SavedView.objects.filter(Q(owner=user) | Q(is_shared=True))
    return visible.select_related("owner").order_by("is_shared", "name", "pk")


def open_view(user: User, query: QueryDict) -> SavedView | None:
    """Return the view named in the URL, None if there is none or it was deleted."""
    try:
        key = uuid.UUID(query.get("view", ""))
    except ValueError:
        return None
    return views_of(user).filter(pk=key).first()


def may_change(user: User, view: SavedView) -> bool:
    """Whether the person may change or delete a view: the owner, and if shared a coordinator."""
    if view.is_shared:
        return user.has_role(Role.COORDINATOR)
    return view.owner_id == user.pk


def address_of(view: SavedView) -> str:
    """URL that opens a view."""
    return reverse("review:worklist", query={**view.filters, "view": str(view.pk)})


def list_address(query: QueryDict) -> str:
    """URL of the list for a query, never without parameters, which would open the default view."""
    return reverse("review:worklist", query=query or {"state": ReadingState.UNREAD})


def menu_of(user: User) -> list[dict[str, Any]]:
    """The views that a person may open, each with its address and whether it is the default."""
    chosen = WorklistPreference.objects.filter(user=user, default_view=OuterRef("pk"))
    return [
        {"view": view, "address": address_of(view), "is_default": view.is_default}
        for view in views_of(user).annotate(is_default=Exists(chosen))
    ]


def default_view(user: User) -> SavedView | None:
    """Return the view that the worklist opens with; None for the built-in list.

    A view that is no longer shared is ignored as others' default.
    """
    chosen = WorklistPreference.objects.filter(user=user).values("default_view")
    return views_of(user).filter(pk__in=chosen).first()


def _remember_default(user: User, view: SavedView, *, is_default: bool) -> None:
    if is_default:
        WorklistPreference.objects.update_or_create(user=user, defaults={"default_view": view})
    else:
        WorklistPreference.objects.filter(user=user, default_view=view).update(default_view=None)


class ViewForm(forms.Form):
    """The name of a view, and whether the worklist opens with it."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    is_default = forms.BooleanField(
        label=gettext_lazy("My worklist opens with this view"), required=False
    )

    def clean_name(self) -> str:
        """Return the name with single spaces."""
        return " ".join(self.cleaned_data["name"].split())


@allow(Role.RADIOLOGIST)
@require_POST
def choose_columns(request: SignedInRequest) -> HttpResponse:
    """Save this person's columns and their order, or reset them to the default.

    An open view is closed, because it has its own columns. The script updates the table itself.
    """
    if "usual" in request.POST:
        forget_columns(request.user)
    else:
        remember_columns(request.user, request.POST.getlist("column"))
    if "HX-Request" in request.headers:
        return HttpResponse(status=204)
    query = QueryDict(request.POST.get("query", ""), mutable=True)
    query.pop("view", None)
    return redirect(list_address(query))


@allow(Role.RADIOLOGIST)
@require_POST
def save_view(request: SignedInRequest) -> HttpResponse:
    """Save the current worklist settings under a name; a view of that name is replaced."""
    query = QueryDict(request.POST.get("query", ""))
    name = " ".join(request.POST.get("name", "").replace("\0", " ").split())
    is_shared = "is_shared" in request.POST
    if is_shared and not request.user.has_role(Role.COORDINATOR):
        raise PermissionDenied
    if not name or len(name) > LONGEST_NAME:
        messages.warning(
            request,
            gettext("Give the view a name of at most %(longest)s letters; nothing is saved.")
            % {"longest": LONGEST_NAME},
        )
        return redirect(reverse("review:worklist", query=query))
    own = SavedView.objects.filter(owner=request.user, name=name).first()
    if own is not None and not may_change(request.user, own):
        raise PermissionDenied
    view, is_new = SavedView.objects.update_or_create(
        owner=request.user,
        name=name,
        defaults={
            "filters": WorklistFilter(query, list(readers(request.user))).to_keep(),
            "columns": columns_for(request.user, open_view(request.user, query)),
            "is_shared": is_shared,
        },
    )
    words = gettext("The view “%(name)s” is saved.")
    if not is_new:
        words = gettext("The view “%(name)s” has replaced your earlier one of that name.")
    messages.success(request, words % {"name": view.name})
    return redirect(address_of(view))


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
@transaction.atomic
def change_view(request: SignedInRequest, view_id: uuid.UUID) -> HttpResponse:
    """Rename a view, or make it one's default, which anyone who can see it may."""
    # Locked: another window may be deleting it.
    view = views_of(request.user).select_for_update(of=("self",)).filter(pk=view_id).first()
    if view is None:
        return _gone(request)
    initial = {"name": view.name, "is_default": view == default_view(request.user)}
    form = ViewForm(request.POST if request.method == "POST" else None, initial=initial)
    is_changeable = may_change(request.user, view)
    if not is_changeable:
        del form.fields["name"]
    if form.is_valid() and _rename(form, view):
        _remember_default(request.user, view, is_default=form.cleaned_data["is_default"])
        messages.success(request, gettext("The view “%(name)s” is saved.") % {"name": view.name})
        return redirect(address_of(view))
    context = {"view": view, "form": form, "may_change": is_changeable, "back": address_of(view)}
    status = 422 if form.is_bound else 200
    return render(request, "review/worklist/worklist_view.html", context, status=status)


def _rename(form: ViewForm, view: SavedView) -> bool:
    """Rename the view from a valid form; the name must be unique for its owner."""
    before, name = view.name, form.cleaned_data.get("name", view.name)
    try:
        with transaction.atomic():
            view.name = name
            view.save(update_fields=["name"])
    except IntegrityError:
        view.name = before
        form.add_error("name", gettext("Another view has this name: choose a free one."))
        return False
    return True


def _gone(request: SignedInRequest) -> HttpResponse:
    messages.warning(request, gettext("This view no longer exists."))
    return redirect("review:worklist")


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
def delete_view(request: SignedInRequest, view_id: uuid.UUID) -> HttpResponse:
    """Delete a view after confirmation; studies are not affected."""
    view = views_of(request.user).filter(pk=view_id).first()
    if view is None:
        return _gone(request)
    if not may_change(request.user, view):
        raise PermissionDenied
    if request.method == "GET":
        context = {"view": view, "back": address_of(view)}
        return render(request, "review/worklist/worklist_view_delete.html", context)
    view.delete()
    messages.success(request, gettext("The view “%(name)s” is deleted.") % {"name": view.name})
    return redirect("review:worklist")
