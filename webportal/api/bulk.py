"""Changing many studies at once, like the bulk actions of the worklist."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role, User
from webportal.api.base import Endpoint, PriorityField
from webportal.records.choices import Priority
from webportal.records.models import Study
from webportal.review.worklist import bulk
from webportal.review.worklist.filters import readers


class ManyStudies(serializers.Serializer[Any]):
    """The studies to change."""

    studies = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=bulk.MOST
    )


class ManyPriorities(ManyStudies):
    """The studies and their new priority."""

    priority = PriorityField()


class ReaderField(serializers.PrimaryKeyRelatedField[User]):
    """One of the radiologists to whom the caller may assign studies."""

    def __init__(self, **options: Any) -> None:
        super().__init__(queryset=User.objects.all(), **options)

    def get_queryset(self) -> QuerySet[User]:
        """The radiologists of the caller's departments."""
        request = self.context.get("request")
        return readers(request.user) if request else User.objects.all()


class ManyAssignments(ManyStudies):
    """The studies, and the radiologist to assign them to; null for nobody."""

    reader = ReaderField(allow_null=True)


class LeftStudies(serializers.Serializer[Any]):
    """Studies that were not changed, and why."""

    reason = serializers.CharField()
    studies = serializers.ListField(child=serializers.UUIDField())


class BulkResult(serializers.Serializer[Any]):
    """Which studies changed and which did not. Either all changes are made or none."""

    changed = serializers.ListField(child=serializers.UUIDField())
    unchanged = LeftStudies(many=True)


class BulkEndpoint(Endpoint[Study]):
    """Bulk actions on studies."""

    queryset = Study.objects.all()
    serializer_class = BulkResult
    filter_backends = []
    roles = {
        "bulk_priority": (Role.COORDINATOR,),
        "bulk_assign": (Role.RADIOLOGIST,),
        "bulk_rerun": (Role.RADIOLOGIST,),
    }

    @extend_schema(request=ManyPriorities, responses=BulkResult)
    @action(detail=False, methods=["post"], url_path="bulk/priority")
    def bulk_priority(self, request: Request) -> Response:
        """Change the priority of studies; signed ones are not changed."""
        given = _given(ManyPriorities, request)
        priority = Priority(given["priority"])
        return _answer(bulk.prioritise(given["studies"], priority, self.person))

    @extend_schema(request=ManyAssignments, responses=BulkResult)
    @action(detail=False, methods=["post"], url_path="bulk/assign")
    def bulk_assign(self, request: Request) -> Response:
        """Assign studies to a radiologist, or to nobody; signed ones are not changed."""
        given = _given(ManyAssignments, request)
        return _answer(bulk.assign(given["studies"], given["reader"], self.person))

    @extend_schema(request=ManyStudies, responses=BulkResult)
    @action(detail=False, methods=["post"], url_path="bulk/rerun")
    def bulk_rerun(self, request: Request) -> Response:
        """Queue the images of studies again; those already in the queue stay there."""
        given = _given(ManyStudies, request)
        return _answer(bulk.rerun(given["studies"], self.person))


def _given(serializer: type[ManyStudies], request: Request) -> dict[str, Any]:
    """The validated body, with each study once."""
    given = serializer(data=request.data, context={"request": request})
    given.is_valid(raise_exception=True)
    values: dict[str, Any] = given.validated_data
    return values | {"studies": list(dict.fromkeys(values["studies"]))}


def _answer(outcome: bulk.BulkOutcome) -> Response:
    unchanged = [
        {"reason": reason, "studies": studies} for reason, studies in outcome.unchanged.items()
    ]
    return Response(BulkResult({"changed": outcome.changed, "unchanged": unchanged}).data)
