"""Reporting to the access log whose files a response shows."""

from collections.abc import Iterable

from django.http import HttpRequest

from webportal.access.shown import show
from webportal.intake.models import UploadItem


def show_items(request: HttpRequest, items: Iterable[UploadItem]) -> None:
    """Report the studies of the files, whose radiographs are prefetched, and files without one."""
    items = list(items)
    of_studies = [item.radiograph for item in items if item.radiograph is not None]
    show(
        request,
        study_ids=[radiograph.study_id for radiograph in of_studies],
        file_ids=[item.pk for item in items if item.radiograph is None],
    )
