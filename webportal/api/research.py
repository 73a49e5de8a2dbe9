"""Research exports: a researcher's own, without anything that leads back to a patient."""

from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.access.shown import show
from webportal.accounts.departments import departments_of
from webportal.accounts.models import Department, Role
from webportal.api.base import Endpoint
from webportal.records.models import Study
from webportal.research import services
from webportal.research.models import Removal, ResearchExport


class ExportSerializer(serializers.ModelSerializer[ResearchExport]):
    """An export: what was asked for, and what became of it."""

    counts = serializers.DictField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="Patients, studies, images and reads in it.",
    )
    left_out = serializers.DictField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="How many images are not in it, by reason.",
    )

    removal = serializers.CharField(
        read_only=True, help_text="Why its file is gone: expired, by_person or erasure."
    )

    class Meta:
        model = ResearchExport
        fields = [
            *("id", "requested_at", "purpose", "since", "until", "department", "category"),
            *("signed_only", "with_unstated", "state", "done", "total", "finished_at"),
            *("expires_at", "failure", "removal", "size", "counts", "left_out"),
        ]
        read_only_fields = [
            *("state", "done", "total", "finished_at", "expires_at", "failure", "removal", "size"),
        ]

    def validate_department(self, department: Department | None) -> Department | None:
        """Refuse one that the caller does not belong to."""
        person = self.context["request"].user
        if department is not None and department not in departments_of(person):
            raise serializers.ValidationError("This is not one of your departments.")
        return department

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        since, until = attrs.get("since"), attrs.get("until")
        if since and until and since > until:
            raise serializers.ValidationError({"until": "This is before the first day."})
        return attrs


class ResearchExportEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[ResearchExport]):
    """One's own research exports."""

    queryset = ResearchExport.objects.all()
    serializer_class = ExportSerializer
    filterset_fields = ["state"]
    ordering_fields = ["requested_at"]
    ordering = ["-requested_at"]
    roles = dict.fromkeys(("list", "retrieve", "create", "destroy", "file"), (Role.RESEARCHER,))

    def get_queryset(self) -> Any:
        """The caller's."""
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows
        return rows.filter(requested_by=self.person)

    @extend_schema(responses={201: ExportSerializer})
    def create(self, request: Request) -> Response:
        """Ask for an export, which is made in the background: `state` is then `ready`.

        409 `conflict` if no study matches, or too many, or another export is still being made.
        """
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = services.request(ResearchExport(**given.validated_data), self.person)
        return Response(self.get_serializer(asked).data, status=201)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove the file of an export, or give up one that is not done."""
        services.remove(self.get_object(), Removal.BY_PERSON, self.person)
        return Response(status=204)

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(detail=True)
    def file(self, request: Request, *args: Any, **kwargs: Any) -> FileResponse:
        """The ZIP file of an export; 409 `conflict` if there is none, or no longer for the caller.

        The trail and the access log record each download.
        """
        export = self.get_object()
        file, studies = services.open_file(export, self.person)
        show(request, *Study.objects.visible_to(self.person).filter(pk__in=studies))
        return FileResponse(
            file,
            as_attachment=True,
            filename=services.file_name(export),
            content_type="application/zip",
        )
