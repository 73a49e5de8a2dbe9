"""Jobs."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS
from webportal.api.base import Endpoint, NoBody, PriorityField
from webportal.inference import bulk, queue
from webportal.inference.models import Job, JobState
from webportal.records.models import Study
from webportal.review.reads.blinding import hidden_results, withheld_results


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
        shown: dict[str, Any] = super().to_representation(instance)
        if instance.state == JobState.REFUSED and not _may_see_outcome(self.context["request"]):
            shown |= {"state": JobState.DONE, "reason_code": "", "reason": ""}
        return shown


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

    change = serializers.ChoiceField(choices=bulk.BulkChange.choices)
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
        change = bulk.BulkChange(given.validated_data["change"])
        outcome = bulk.apply(change, given.validated_data["reason_code"], self.person)
        return Response(ManyJobsChanged(outcome).data)
