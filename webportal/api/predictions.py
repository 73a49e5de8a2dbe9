"""The model's results."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request

from webportal.accounts.models import Role
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint
from webportal.inference.models import Prediction
from webportal.inference.purpose.expressions import shown_category, shown_probability
from webportal.inference.purpose.reasons import sentences
from webportal.records.choices import Category, Purpose
from webportal.records.models import Study
from webportal.review.reads.blinding import withheld_results
from webportal.review.study.rendering import heatmap_png


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    """The result of one model version for one radiograph."""

    study = serializers.UUIDField(source="radiograph.study_id")
    model_version = serializers.CharField(source="model_version.version")
    category = serializers.ChoiceField(
        source="shown_category",
        choices=Category.choices,
        help_text="`outside_purpose`: there is a result, but the model is not intended for"
        " such an image.",
    )
    probability = serializers.FloatField(
        source="shown_probability",
        allow_null=True,
        help_text="Calibrated probability of pneumonia, 0 to 1; null outside the model's purpose.",
    )
    bacterial_probability = serializers.SerializerMethodField()
    doubts = serializers.SerializerMethodField(
        help_text="Why the result is not clearly within the model's purpose."
    )
    reason = serializers.CharField(source="reason.english", read_only=True)

    class Meta:
        model = Prediction
        fields = [
            "id",
            "radiograph",
            "study",
            "job",
            "model_version",
            "category",
            "probability",
            "bacterial_probability",
            "purpose",
            "doubts",
            "correction",
            "assessed_as",
            "reason_code",
            "reason",
            "heatmap_rows",
            "heatmap_columns",
            "worker",
            "device",
            "is_current",
            "created_at",
        ]

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_bacterial_probability(self, prediction: Prediction) -> float | None:
        """Null where the probability is null."""
        is_shown = prediction.shown_probability is not None
        return prediction.bacterial_probability if is_shown else None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_doubts(self, prediction: Prediction) -> list[str]:
        """Return the doubts as sentences in the language of the request."""
        return sentences(prediction.purpose_reasons)


class PredictionFilter(django_filters.FilterSet):
    """Filters of the list of predictions."""

    radiograph = django_filters.UUIDFilter(field_name="radiograph_id")
    study = django_filters.UUIDFilter(field_name="radiograph__study_id")
    batch = django_filters.UUIDFilter(
        field_name="radiograph__upload_items__batch_id", distinct=True
    )
    category = django_filters.ChoiceFilter(choices=Category.choices, method="by_category")
    model_version = django_filters.CharFilter(field_name="model_version__version")
    is_current = django_filters.BooleanFilter()

    class Meta:
        model = Prediction
        fields: list[str] = []

    def by_category(
        self, predictions: QuerySet[Prediction], name: str, value: str
    ) -> QuerySet[Prediction]:
        """Results whose displayed category is one of these."""
        return predictions.alias(shown=shown_category()).filter(shown=value)


class PredictionEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Prediction]):
    """The model's results."""

    queryset = Prediction.objects.select_related("radiograph", "model_version").defer("heatmap")
    serializer_class = PredictionSerializer
    filterset_class = PredictionFilter
    ordering_fields = ["created_at", "probability"]
    ordered_by = {"probability": "figure"}
    ordering = ["-created_at"]
    roles = dict.fromkeys(("list", "retrieve", "heatmap"), (Role.RADIOLOGIST,))
    opens_results = ("list", "retrieve", "heatmap")

    def get_queryset(self) -> QuerySet[Prediction]:
        """The results visible to the caller: none of studies to be read first or blind."""
        withheld = Study.objects.filter(
            withheld_results(self.person, is_open=self.results_are_open)
        )
        visible = super().get_queryset().exclude(radiograph__study__in=withheld)
        return visible.alias(figure=shown_probability())

    @extend_schema(responses={(200, "image/png"): OpenApiTypes.BINARY})
    @action(detail=True)
    def heatmap(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """The class activation map as a coloured PNG to overlay on the radiograph."""
        prediction = self.get_object()
        if not prediction.heatmap_rows or prediction.purpose == Purpose.WITHHELD:
            raise NotFound("This result has no heat map.")
        picture = heatmap_png(
            bytes(prediction.heatmap),
            prediction.heatmap_rows,
            prediction.heatmap_columns,
            prediction.radiograph.rows,
            prediction.radiograph.columns,
        )
        show_all(request, [prediction])
        return HttpResponse(picture, content_type="image/png")
