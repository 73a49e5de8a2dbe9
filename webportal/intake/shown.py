"""Saying, for the access log, whose files an answer shows."""

from collections.abc import Iterable

from django.http import HttpRequest

from webportal.access.shown import show
from webportal.intake.models import UploadItem


def show_items(request: HttpRequest, items: Iterable[UploadItem]) -> None:
    """The studies of the files, whose radiographs are fetched with them, and those without one."""
    items = list(items)
    of_studies = [item.radiograph for item in items if item.radiograph is not None]
    show(
        request,
        study_ids=[radiograph.study_id for radiograph in of_studies],
        file_ids=[item.pk for item in items if item.radiograph is None],
    )
