"""Reporting to the access log whose files a response shows."""

from collections.abc import Iterable

from django.http import HttpRequest

from webportal.access.shown import show
from webportal.accounts.models import User
from webportal.intake.models import UploadItem
from webportal.records.models import Radiograph
from webportal.records.visibility import scope_of


def without_others(items: Iterable[UploadItem], person: User) -> list[UploadItem]:
    """The items, as if those whose image is in a study that the person does not see had none.

    That is so of files that were stored in another department before.
    """
    items = list(items)
    if scope_of(person).departments is None:
        return items
    images = {item.radiograph_id for item in items if item.radiograph_id}
    seen = set(Radiograph.objects.visible_to(person).filter(pk__in=images).values_list("pk"))
    for item in items:
        if item.radiograph_id and (item.radiograph_id,) not in seen:
            item.radiograph = None
    return items


def show_items(request: HttpRequest, items: Iterable[UploadItem]) -> None:
    """Report the studies of the files, whose radiographs are prefetched, and files without one."""
    items = list(items)
    of_studies = [item.radiograph for item in items if item.radiograph is not None]
    show(
        request,
        study_ids=[radiograph.study_id for radiograph in of_studies],
        file_ids=[item.pk for item in items if item.radiograph is None],
    )
