"""Workers."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.base import Endpoint, NoBody
from webportal.inference import fleet
from webportal.inference.fleet import WorkerState, workers_with_states
from webportal.inference.models import Worker


class WorkerSerializer(serializers.ModelSerializer[Worker]):
    """A worker process."""

    state = serializers.ChoiceField(choices=WorkerState.choices)
    running_jobs = serializers.IntegerField()

    class Meta:
        model = Worker
        fields = [
            "name",
            "state",
            "device",
            "model_version",
            "is_draining",
            "stop_requested_at",
            "host",
            "program_version",
            "running_jobs",
            "finished_jobs",
            "started_at",
            "last_seen_at",
            "stopped_at",
        ]


class WorkerWithLogSerializer(WorkerSerializer):
    """A worker process with the end of its log, which has no patient data."""

    class Meta(WorkerSerializer.Meta):
        fields = [*WorkerSerializer.Meta.fields, "log_tail"]


class WorkerEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Worker]):
    """Workers."""

    queryset = Worker.objects.all()
    serializer_class = WorkerSerializer
    filter_backends = []
    lookup_field = "name"
    lookup_value_converter = "str"
    roles = dict.fromkeys(("list", "retrieve", "drain", "resume", "stop"), (Role.IT,))

    def get_queryset(self) -> QuerySet[Worker]:
        """All workers, with their states."""
        return workers_with_states().order_by("name")

    def get_serializer_class(self) -> type[WorkerSerializer]:
        """Include the log only for one worker: it would bloat the list."""
        return WorkerSerializer if self.action == "list" else WorkerWithLogSerializer

    @extend_schema(request=NoBody)
    @action(detail=True, methods=["post"])
    def drain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let a worker finish its current jobs and take no more."""
        fleet.drain(self.get_object(), self.person)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=NoBody)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let a draining worker take jobs again."""
        fleet.resume(self.get_object(), self.person)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=NoBody)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let a worker finish its current jobs and end; 409 if it is not running.

        If it is started again, it takes no jobs until it is resumed.
        """
        fleet.stop(self.get_object(), self.person)
        return Response(self.get_serializer(self.get_object()).data)
