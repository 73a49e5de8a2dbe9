"""Reporting to the access log whose data an API response shows."""

from collections.abc import Iterable
from functools import singledispatch
from typing import Any

from django.http import HttpRequest

from webportal.access.shown import show
from webportal.inference.models import Job, Prediction
from webportal.intake.access_reporting import show_items
from webportal.intake.models import UploadItem
from webportal.notifications.models import Notification
from webportal.records.models import Patient, Radiograph, Study
from webportal.review.models import Addendum, Read


def show_all(request: HttpRequest, things: Iterable[Any]) -> None:
    """Report that the response shows these objects; those not about a patient are ignored."""
    show(request)
    for thing in things:
        _show(thing, request)


@singledispatch
def _show(thing: Any, request: HttpRequest) -> None:
    """Nothing to report for objects that are not about a patient."""


@_show.register
def _(thing: Study, request: HttpRequest) -> None:
    show(request, thing)


@_show.register
def _(thing: Patient, request: HttpRequest) -> None:
    show(request, patient_ids=[thing.pk])


@_show.register
def _(thing: Radiograph, request: HttpRequest) -> None:
    show(request, study_ids=[thing.study_id])


@_show.register
def _(thing: Job, request: HttpRequest) -> None:
    show(request, study_ids=[thing.radiograph.study_id])


@_show.register
def _(thing: Prediction, request: HttpRequest) -> None:
    show(request, study_ids=[thing.radiograph.study_id])


@_show.register
def _(thing: Read, request: HttpRequest) -> None:
    show(request, study_ids=[thing.study_id])


@_show.register
def _(thing: Addendum, request: HttpRequest) -> None:
    show(request, study_ids=[thing.read.study_id])


@_show.register
def _(thing: UploadItem, request: HttpRequest) -> None:
    show_items(request, [thing])


@_show.register
def _(thing: Notification, request: HttpRequest) -> None:
    show(request, study_ids=[thing.study_id] if thing.study_id else [])
