"""Model versions."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.base import Endpoint, NoBody
from webportal.inference import registry
from webportal.inference.models import ModelVersion


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """A registered model package."""

    thresholds = serializers.SerializerMethodField(help_text="Operating points of this version.")
    independent_figures = serializers.ListField(
        child=serializers.DictField(),
        help_text=(
            "Figures from images that took no part in training this version or in choosing its"
            " thresholds; empty where there are none. Figures from other images are in the card."
        ),
    )
    population = serializers.DictField(
        help_text="The intended population, for which its probability is calibrated;"
        " `adult_stages` if images that look like an adult's have a calibration of their own."
    )

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "name",
            "version",
            "package_sha256",
            "thresholds",
            "independent_figures",
            "population",
            "card",
            "is_active",
            "registered_at",
            "activated_at",
            "activated_by",
        ]

    @extend_schema_field(serializers.DictField(child=serializers.DictField()))
    def get_thresholds(self, version: ModelVersion) -> dict[str, dict[str, Any]]:
        """Each with its probability threshold and the criterion by which it was chosen."""
        return {
            name: {key: point[key] for key in ("threshold", "criterion") if key in point}
            for name, point in version.thresholds.items()
        }


class ModelVersionEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[ModelVersion]):
    """Model versions."""

    queryset = ModelVersion.objects.all()
    serializer_class = ModelVersionSerializer
    filter_backends = []
    roles = dict.fromkeys(("list", "retrieve"), (Role.RADIOLOGIST, Role.IT)) | {
        "activate": (Role.IT,)
    }

    @extend_schema(request=NoBody)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Activate this version; workers load it one after the other, after their present batch.

        409 if its package is missing from this release or was altered.
        """
        version = self.get_object()
        registry.activate(version, self.person)
        version.refresh_from_db()
        return Response(self.get_serializer(version).data)
