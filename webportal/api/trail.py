"""The audit trail: reading and verifying it, each itself an event."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.base import Endpoint, NoBody
from webportal.api.pagination import TrailPages
from webportal.api.problems import form_problem
from webportal.audit.models import Action, AuditEntry
from webportal.audit.search import TrailFilter
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify_and_record

FILTERS = [
    OpenApiParameter("actor", OpenApiTypes.STR),
    OpenApiParameter("action", OpenApiTypes.STR, enum=Action.values),
    OpenApiParameter("object_id", OpenApiTypes.STR, description="Of an object or a study."),
    OpenApiParameter("first_day", OpenApiTypes.DATE),
    OpenApiParameter("last_day", OpenApiTypes.DATE),
]


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    """One event, with the MACs that chain it to the one before."""

    detail = serializers.DictField()

    class Meta:
        model = AuditEntry
        fields = [
            "sequence",
            "at",
            "actor_id",
            "actor",
            "action",
            "object_type",
            "object_id",
            "study_id",
            "detail",
            "previous_mac",
            "mac",
        ]


class TrailFinding(serializers.Serializer[Any]):
    """Something wrong with the trail."""

    sequence = serializers.IntegerField(help_text="Of the entry; 0 for the anchor file.")
    problem = serializers.CharField()


class TrailVerdict(serializers.Serializer[Any]):
    """Result of a verification."""

    intact = serializers.BooleanField()
    entries = serializers.IntegerField()
    anchors = serializers.IntegerField()
    findings = TrailFinding(many=True)


class AuditEntryEndpoint(Endpoint[AuditEntry]):
    """The audit trail."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    pagination_class = TrailPages
    filter_backends = []
    roles = dict.fromkeys(("list", "verify"), (Role.AUDITOR,))

    @extend_schema(parameters=FILTERS)
    def list(self, request: Request) -> Response:
        """The trail, newest first; that it was read is an event too."""
        form = TrailFilter(request.query_params)
        if not form.is_valid():
            raise form_problem(form)
        entries: QuerySet[AuditEntry] = form.entries()
        page = self.get_serializer(self.paginate_queryset(entries), many=True).data
        append(Event(Action.AUDIT_VIEWED, detail=form.used()), self.person)
        return self.get_paginated_response(page)

    @extend_schema(request=NoBody, responses=TrailVerdict)
    @action(detail=False, methods=["post"])
    def verify(self, request: Request) -> Response:
        """Check the whole trail against itself and against the anchors outside the database."""
        return Response(TrailVerdict(verify_and_record(self.person)).data)
