"""Jobs, predictions and model versions."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint, NoBody, PriorityField
from webportal.inference import bulk, queue, registry
from webportal.inference.models import Job, JobState, ModelVersion, Prediction
from webportal.inference.purpose.expressions import shown_category, shown_probability
from webportal.inference.purpose.reasons import sentences
from webportal.records.choices import Category, Purpose
from webportal.records.models import Study
from webportal.review.reads.blinding import hidden_results, withheld_results
from webportal.review.study.rendering import heatmap_png


class JobSerializer(serializers.ModelSerializer[Job]):
    """One inference of one radiograph."""

    study = serializers.UUIDField(source="radiograph.study_id")
    priority = PriorityField()
    reason = serializers.CharField(source="reason.english", read_only=True)

    class Meta:
        model = Job
        fields = [
            "id",
            "radiograph",
            "study",
            "state",
            "priority",
            "attempt",
            "worker",
            "leased_until",
            "queued_at",
            "started_at",
            "finished_at",
            "reason_code",
            "reason",
            "created_by",
        ]

    def to_representation(self, instance: Job) -> dict[str, Any]:
        """The job; only callers who may see results learn that the model refused the image."""
        told: dict[str, Any] = super().to_representation(instance)
        if instance.state == JobState.REFUSED and not _may_see_outcome(self.context["request"]):
            told |= {"state": JobState.DONE, "reason_code": "", "reason": ""}
        return told


def _may_see_outcome(request: Any) -> bool:
    """Whether the caller may learn how the analysis of an image ended."""
    return bool(request.user.has_role(Role.RADIOLOGIST, Role.IT))


class JobFilter(django_filters.FilterSet):
    """Filters of the list of jobs."""

    state = django_filters.MultipleChoiceFilter(choices=JobState.choices, method="by_state")
    radiograph = django_filters.UUIDFilter(field_name="radiograph_id")
    study = django_filters.UUIDFilter(field_name="radiograph__study_id")
    batch = django_filters.UUIDFilter(
        field_name="radiograph__upload_items__batch_id", distinct=True
    )
    awaiting_release = django_filters.BooleanFilter(
        method="by_release", label="Quarantined, and the image has not been queued again."
    )

    class Meta:
        model = Job
        fields: list[str] = []

    def by_state(self, jobs: QuerySet[Job], name: str, value: list[str]) -> QuerySet[Job]:
        """Jobs in any of these states, as shown to the caller."""
        states = set(value)
        if not _may_see_outcome(self.request):
            states.discard(JobState.REFUSED)
            if JobState.DONE in states:
                states.add(JobState.REFUSED)
        return jobs.filter(state__in=states) if value else jobs

    def by_release(self, jobs: QuerySet[Job], name: str, value: bool) -> QuerySet[Job]:
        """Jobs in quarantine, or all others."""
        waiting = Q(pk__in=queue.awaiting_release().values("pk"))
        return jobs.filter(waiting if value else ~waiting)


class ManyJobs(serializers.Serializer[Any]):
    """What to do to all jobs with a reason."""

    change = serializers.ChoiceField(choices=bulk.Change.choices)
    reason_code = serializers.CharField(max_length=40)


class ManyJobsChanged(serializers.Serializer[Any]):
    """How many jobs were changed; while any are left, repeat the call."""

    changed = serializers.IntegerField()
    left = serializers.IntegerField()


class JobEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Job]):
    """Jobs: ids only, no patient data."""

    queryset = Job.objects.select_related("radiograph")
    serializer_class = JobSerializer
    filterset_class = JobFilter
    ordering_fields = ["queued_at", "finished_at", "priority"]
    ordering = ["-queued_at"]
    roles = dict.fromkeys(("list", "retrieve"), (*UPLOADERS, Role.IT)) | dict.fromkeys(
        ("cancel", "release"), (Role.RADIOLOGIST, Role.IT)
    )
    roles["change_all"] = (Role.IT,)
    opens_results = ("list", "retrieve")

    def get_queryset(self) -> QuerySet[Job]:
        """The jobs visible to the caller: how a job ended may reveal a hidden result.

        Hospital IT sees those of every department, as on the operations page.
        """
        is_it = self.person.has_role(Role.IT)
        jobs = self.queryset.all() if is_it else super().get_queryset()
        hidden = Study.objects.filter(hidden_results(self.person))
        withheld = Study.objects.filter(
            withheld_results(self.person, is_open=self.results_are_open)
        )
        jobs = jobs.exclude(radiograph__study__in=hidden)
        ended = Q(state__in=(JobState.DONE, JobState.REFUSED))
        return jobs.exclude(ended & Q(radiograph__study__in=withheld))

    @extend_schema(request=NoBody)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take a job out of the queue, or give up a quarantined one; 409 when it is neither."""
        return Response(self.get_serializer(queue.cancel(self.get_object(), self.person)).data)

    @extend_schema(request=NoBody, responses={201: JobSerializer})
    @action(detail=True, methods=["post"])
    def release(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Queue the image of a quarantined job again, as a new job; 409 when it is not one."""
        job = queue.release_from_quarantine(self.get_object(), self.person)
        return Response(self.get_serializer(job).data, status=201)

    @extend_schema(request=ManyJobs, responses=ManyJobsChanged)
    @action(detail=False, methods=["post"], url_path="bulk")
    def change_all(self, request: Request) -> Response:
        """Change up to 300 jobs that failed for the same reason, the oldest first."""
        given = ManyJobs(data=request.data)
        given.is_valid(raise_exception=True)
        change = bulk.Change(given.validated_data["change"])
        outcome = bulk.apply(change, given.validated_data["reason_code"], self.person)
        return Response(ManyJobsChanged(outcome).data)


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
        """In the language of the request."""
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
        help_text="The intended population, for which its probability is calibrated."
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
