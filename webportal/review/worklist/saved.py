"""Saved views of the worklist, and the columns a person chose."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.review.worklist.columns import columns_for, forget_columns, remember_columns
from webportal.review.worklist.filters import WorklistFilter, readers
from webportal.review.worklist.models import SavedView

LONGEST_NAME = 60


def views_of(user: User) -> QuerySet[SavedView]:
    """Return the views that a person may open: their own, and those shared with all."""
    visible = SavedView.objects.filter(Q(owner=user) | Q(is_shared=True))
    return visible.select_related("owner").order_by("is_shared", "name", "pk")


def open_view(user: User, query: QueryDict) -> SavedView | None:
    """Return the view that an address names, None when there is none or it is gone."""
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
    """The address that opens a view."""
    return reverse("review:worklist", query={**view.filters, "view": str(view.pk)})


def menu_of(user: User) -> list[dict[str, Any]]:
    """The views that a person may open, each with its address and whether they may change it."""
    return [
        {"view": view, "address": address_of(view), "may_change": may_change(user, view)}
        for view in views_of(user)
    ]


@allow(Role.RADIOLOGIST)
@require_POST
def choose_columns(request: SignedInRequest) -> HttpResponse:
    """Keep which columns this person wants, and in which order, or give them the usual ones.

    An open view is left, because it has its own. The script that moves a column shows it itself.
    """
    if "usual" in request.POST:
        forget_columns(request.user)
    else:
        remember_columns(request.user, request.POST.getlist("column"))
    if "HX-Request" in request.headers:
        return HttpResponse(status=204)
    query = QueryDict(request.POST.get("query", ""), mutable=True)
    query.pop("view", None)
    return redirect(reverse("review:worklist", query=query))


@allow(Role.RADIOLOGIST)
@require_POST
def save_view(request: SignedInRequest) -> HttpResponse:
    """Save what the worklist shows now under a name; a view of that name is replaced."""
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
            "filters": WorklistFilter(query, list(readers())).to_keep(),
            "columns": columns_for(request.user, open_view(request.user, query)),
            "is_shared": is_shared,
        },
    )
    words = gettext("The view “%(name)s” is saved.")
    if not is_new:
        words = gettext("The view “%(name)s” is saved in the place of your earlier one.")
    messages.success(request, words % {"name": view.name})
    return redirect(address_of(view))


@allow(Role.RADIOLOGIST)
@require_POST
def delete_view(request: SignedInRequest, view_id: uuid.UUID) -> HttpResponse:
    """Delete a view; the studies stay as they are."""
    view = views_of(request.user).filter(pk=view_id).first()
    if view is None:
        messages.warning(request, gettext("This view is no longer there."))
        return redirect("review:worklist")
    if not may_change(request.user, view):
        raise PermissionDenied
    view.delete()
    messages.success(request, gettext("The view “%(name)s” is deleted.") % {"name": view.name})
    return redirect("review:worklist")
