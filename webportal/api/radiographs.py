"""Radiographs: metadata, files and rendered images."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import django_filters
from django.http import FileResponse, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ml.errors import ImageError
from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint, NoBody
from webportal.api.jobs import JobSerializer
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.queue import rerun, rerun_outdated
from webportal.records.files import StoredFileError, read_dicom, read_original
from webportal.records.models import Radiograph, Series, Study
from webportal.review.reads.viewing import record_viewed
from webportal.review.study.rendering import radiograph_png

FILE = OpenApiTypes.BINARY
MEDIA_TYPES = ("application/dicom", "image/jpeg", "image/png")


class UnreadableImage(APIException):
    """The stored file is missing, damaged or cannot be shown; somebody has to repair it."""

    status_code = status.HTTP_500_INTERNAL_SERVER_ERROR


class SeriesSerializer(serializers.ModelSerializer[Series]):
    """A DICOM series, as described by the header of its first file."""

    class Meta:
        model = Series
        fields = [
            "id",
            "series_instance_uid",
            "number",
            "description",
            "modality",
            "body_part",
            "laterality",
            "manufacturer",
            "model_name",
            "station_name",
            "ae_title",
            "institution",
        ]


class RadiographSerializer(serializers.ModelSerializer[Radiograph]):
    """One image of a study; `series` is null if it was stored before series were recorded."""

    series = SeriesSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Radiograph
        fields = [
            "id",
            "study",
            "series",
            "instance_number",
            "acquired_at",
            "patient_age",
            "sop_instance_uid",
            "sop_class_uid",
            "modality",
            "view_position",
            "rows",
            "columns",
            "bits_stored",
            "media_type",
            "original_sha256",
            "original_bytes",
            "dicom_sha256",
            "created_at",
        ]


class RadiographFilter(django_filters.FilterSet):
    """Filters of the list of radiographs."""

    study = django_filters.UUIDFilter(field_name="study_id")
    batch = django_filters.UUIDFilter(field_name="upload_items__batch_id", distinct=True)
    original_sha256 = django_filters.CharFilter()

    class Meta:
        model = Radiograph
        fields: list[str] = []


class RadiographEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Radiograph]):
    """Radiographs; the images themselves for radiologists only."""

    queryset = Radiograph.objects.select_related("series")
    serializer_class = RadiographSerializer
    filterset_class = RadiographFilter
    ordering_fields = ["created_at"]
    ordering = ["created_at"]
    roles = dict.fromkeys(("list", "retrieve"), UPLOADERS) | dict.fromkeys(
        ("original", "dicom", "image", "viewed", "rerun"), (Role.RADIOLOGIST,)
    )

    @extend_schema(responses={(200, *MEDIA_TYPES): FILE})
    @action(detail=True)
    def original(self, request: Request, *args: Any, **kwargs: Any) -> FileResponse:
        """The file as it was uploaded, byte for byte."""
        radiograph = self.get_object()
        return self._download(radiograph, read_original, radiograph.media_type, "original")

    @extend_schema(responses={(200, "application/dicom"): FILE})
    @action(detail=True)
    def dicom(self, request: Request, *args: Any, **kwargs: Any) -> FileResponse:
        """The DICOM instance; for a JPEG or PNG, the one created from it."""
        radiograph = self.get_object()
        return self._download(radiograph, read_dicom, "application/dicom", "dicom")

    @extend_schema(responses={(200, "image/png"): FILE})
    @action(detail=True)
    def image(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """The radiograph as an 8-bit PNG, as the study page shows it."""
        radiograph = self.get_object()
        try:
            picture = radiograph_png(read_dicom(radiograph))
        except StoredFileError as error:
            raise UnreadableImage(str(error.message), error.code) from error
        except ImageError as error:
            raise UnreadableImage(error.message, error.code) from error
        self._record(Action.IMAGE_DOWNLOADED, radiograph, {"file": "image"})
        return HttpResponse(picture, content_type="image/png")

    @extend_schema(request=NoBody, responses={204: None})
    @action(detail=True, methods=["post"])
    def viewed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Report that the image is being displayed to the caller, large enough to be read.

        Signing a study requires this for each of its images. Fetching the file does not count.
        """
        record_viewed(self.get_object(), self.person)
        return Response(status=204)

    @extend_schema(request=NoBody, responses={201: JobSerializer})
    @action(detail=True, methods=["post"])
    def rerun(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Queue another analysis; 409 while one is queued or running."""
        job = rerun(self.get_object(), self.person)
        return Response(JobSerializer(job).data, status=201)

    def _download(
        self,
        radiograph: Radiograph,
        read: Callable[[Radiograph], bytes],
        media_type: str,
        kind: str,
    ) -> FileResponse:
        try:
            data = read(radiograph)
        except StoredFileError as error:
            raise UnreadableImage(str(error.message), error.code) from error
        self._record(Action.IMAGE_DOWNLOADED, radiograph, {"file": kind})
        return FileResponse(BytesIO(data), content_type=media_type)

    def _record(self, what: Action, radiograph: Radiograph, detail: dict[str, str]) -> None:
        show_all(self.request, [radiograph])
        event = Event(what, "radiograph", radiograph.pk, radiograph.study_id, detail)
        append(event, self.person)


class StudyRerunEndpoint(Endpoint[Any]):
    """Studies with results from a model version other than the active one."""

    queryset = Study.objects.all()
    serializer_class = JobSerializer
    filter_backends = []
    roles = {"rerun": (Role.RADIOLOGIST,)}

    @extend_schema(request=NoBody, responses={201: JobSerializer(many=True)})
    @action(detail=True, methods=["post"], pagination_class=None)
    def rerun(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Queue the images whose results are not from the active version; 409 if there are none.

        Their earlier results are kept.
        """
        jobs = rerun_outdated(self.get_object(), self.person)
        return Response(JobSerializer(jobs, many=True).data, status=201)
