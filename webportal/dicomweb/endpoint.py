"""Base class of the DICOMweb endpoints."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from webportal.accounts.models import Role, User
from webportal.api.authentication import BearerAuthentication
from webportal.api.permissions import ByRole
from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.dicomweb import series
from webportal.dicomweb.reports import StructuredReport, visible_reports
from webportal.dicomweb.visibility import visible_studies
from webportal.records.models import Radiograph, Study


class DicomwebEndpoint(ViewSet):
    """Access as in the API: an action's `roles` and the token's scope decide who may call it."""

    schema = None  # not in the OpenAPI document: PS3.18 specifies them
    authentication_classes = [BearerAuthentication, SessionAuthentication]
    permission_classes = [ByRole]
    roles: ClassVar[dict[str, tuple[Role, ...]]]
    read_by_post: ClassVar[tuple[str, ...]] = ()
    of_uploading: ClassVar[tuple[str, ...]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Admit the caller. Raises Http404 for a UID with a NUL, which PostgreSQL cannot search."""
        super().initial(request, *args, **kwargs)
        if any("\0" in part for part in kwargs.values()):
            raise Http404

    @property
    def person(self) -> User:
        """The caller, whom ByRole has authenticated."""
        user = self.request.user
        if not isinstance(user, User):
            raise TypeError("The endpoint uses the caller, but not the permission class ByRole.")
        return user

    def studies(self) -> QuerySet[Study]:
        """The studies visible to the caller."""
        return visible_studies(self.person)

    def stored(
        self, study: str, series_uid: str = "", instance: str = ""
    ) -> list[Radiograph | StructuredReport]:
        """Images and reports of a study or series, or a single one. Raises Http404."""
        images = self._images(study, series_uid, instance)
        # No series has both, and creating reports that nobody requested may take seconds.
        is_of_images = bool(series_uid and images)
        reports = [] if is_of_images else self.reports(study, series_uid, instance)
        found: list[Radiograph | StructuredReport] = [*images, *reports]
        if not found:
            raise Http404
        return found

    def reports(
        self, study: str, series_uid: str = "", instance: str = ""
    ) -> list[StructuredReport]:
        """The reports the caller may see: of a study, of one series, or a single one."""
        found = self.studies().filter(study_instance_uid=study).select_related("patient").first()
        return [
            report
            for report in (visible_reports(self.person, found) if found else ())
            if series_uid in ("", report.series_instance_uid)
            and instance in ("", report.sop_instance_uid)
        ]

    def radiographs(self, study: str, series_uid: str = "", instance: str = "") -> list[Radiograph]:
        """The images of a study or series, or a single one. Raises Http404."""
        images = self._images(study, series_uid, instance)
        if not images:
            raise Http404
        return images

    def _images(self, study: str, series_uid: str, instance: str) -> list[Radiograph]:
        found = Radiograph.objects.filter(
            study__in=self.studies(), study__study_instance_uid=study
        ).order_by("series__number", "instance_number", "created_at", "pk")
        series.fill_in(found)
        if series_uid:
            found = found.filter(series__series_instance_uid=series_uid)
        if instance:
            found = found.filter(sop_instance_uid=instance)
        return list(found.select_related("series", "study__patient"))

    def record_sent(self, sent: Sequence[Radiograph | StructuredReport], kind: str) -> None:
        """Record in the audit trail that images and reports are sent as a `kind` of file."""
        append_all([_sent(each, kind) for each in sent], self.person)


def _sent(each: Radiograph | StructuredReport, kind: str) -> Event:
    study = each.study.pk
    if isinstance(each, Radiograph):
        return Event(Action.IMAGE_DOWNLOADED, "radiograph", each.pk, study, {"file": kind})
    detail = {"form": kind, "kind": each.document.kind, "sop_instance_uid": each.sop_instance_uid}
    return Event(Action.REPORT_OPENED, "study", study, study, detail)
