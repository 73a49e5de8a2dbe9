"""The queue as a whole: what waits, and what hospital IT has paused."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.base import Endpoint, PriorityField
from webportal.inference import pauses
from webportal.inference.health import lines
from webportal.inference.models import QueuePause
from webportal.records.choices import Priority


class LineSerializer(serializers.Serializer[Any]):
    """The open jobs of one priority."""

    priority = PriorityField()
    queued = serializers.IntegerField()
    oldest_wait_seconds = serializers.SerializerMethodField(help_text="Null if no job is queued.")
    running = serializers.IntegerField()
    quarantined = serializers.IntegerField(help_text="Quarantined jobs not yet released.")
    is_paused = serializers.BooleanField()

    def get_oldest_wait_seconds(self, line: Any) -> float | None:
        """How long the oldest has waited."""
        return None if line.wait is None else line.wait.total_seconds()


class PausedSerializer(serializers.Serializer[Any]):
    """What to pause or resume."""

    priority = PriorityField(
        required=False, allow_null=True, help_text="Null or left out for the whole queue."
    )


class QueueEndpoint(Endpoint[QueuePause]):
    """The queue as a whole."""

    queryset = QueuePause.objects.none()
    serializer_class = LineSerializer
    filter_backends = []
    pagination_class = None
    roles = dict.fromkeys(("list", "pause", "resume"), (Role.IT,))

    @extend_schema(responses=LineSerializer(many=True))
    def list(self, request: Request) -> Response:
        """What waits, runs and has failed, by priority, most urgent first."""
        return _answer()

    @extend_schema(request=PausedSerializer, responses=LineSerializer(many=True))
    @action(detail=False, methods=["post"])
    def pause(self, request: Request) -> Response:
        """Stop workers from claiming jobs of one priority, or any job.

        They finish what they have begun. Pausing again has no effect.
        """
        pauses.pause(_given(request), self.person)
        return _answer()

    @extend_schema(request=PausedSerializer, responses=LineSerializer(many=True))
    @action(detail=False, methods=["post"])
    def resume(self, request: Request) -> Response:
        """End the pause of a priority, or of the whole queue.

        Priorities that were paused by themselves stay paused when the whole queue is resumed.
        """
        pauses.resume(_given(request), self.person)
        return _answer()


def _given(request: Request) -> Priority | None:
    given = PausedSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    priority = given.validated_data.get("priority")
    return None if priority is None else Priority(priority)


def _answer() -> Response:
    return Response(LineSerializer(lines(), many=True).data)
