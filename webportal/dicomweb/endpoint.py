"""Base class of the DICOMweb endpoints."""

from collections.abc import Sequence
from typing import ClassVar

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.authentication import SessionAuthentication
from rest_framework.viewsets import ViewSet

from webportal.accounts.models import Role, User
from webportal.api.authentication import BearerAuthentication
from webportal.api.permissions import ByRole
from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.dicomweb import series
from webportal.dicomweb.visibility import visible_studies
from webportal.records.models import Radiograph, Study


class DicomwebEndpoint(ViewSet):
    """Access as in the API: an action's `roles` and the token's scope decide who may call it."""

    schema = None  # PS3.18 describes them
    authentication_classes = [BearerAuthentication, SessionAuthentication]
    permission_classes = [ByRole]
    roles: ClassVar[dict[str, tuple[Role, ...]]]
    read_by_post: ClassVar[tuple[str, ...]] = ()
    of_uploading: ClassVar[tuple[str, ...]] = ()

    @property
    def person(self) -> User:
        """The caller, whom ByRole has authenticated."""
        user = self.request.user
        if not isinstance(user, User):
            raise TypeError("The endpoint asks for the caller, but does not use ByRole.")
        return user

    def studies(self) -> QuerySet[Study]:
        """The studies visible to the caller."""
        return visible_studies(self.person)

    def radiographs(self, study: str, series_uid: str = "", instance: str = "") -> list[Radiograph]:
        """The images of a study or series, or a single one. Raises Http404."""
        found = Radiograph.objects.filter(
            study__in=self.studies(), study__study_instance_uid=study
        ).order_by("series__number", "instance_number", "created_at", "pk")
        series.fill_in(found)
        if series_uid:
            found = found.filter(series__series_instance_uid=series_uid)
        if instance:
            found = found.filter(sop_instance_uid=instance)
        images = list(found.select_related("series", "study__patient"))
        if not images:
            raise Http404
        return images

    def record_sent(self, radiographs: Sequence[Radiograph], kind: str) -> None:
        """Record in the audit trail that these images are sent as a `kind` of file."""
        events = [
            Event(Action.IMAGE_DOWNLOADED, "radiograph", each.pk, each.study_id, {"file": kind})
            for each in radiographs
        ]
        append_all(events, self.person)
