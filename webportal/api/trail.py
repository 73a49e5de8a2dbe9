"""The audit trail: reading and verifying it, both of which are themselves recorded."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.base import Endpoint, NoBody
from webportal.api.pagination import TrailPages
from webportal.api.problems import form_problem
from webportal.audit import runs
from webportal.audit.models import Action, AuditEntry, Verification
from webportal.audit.search import COLUMNS, TrailFilter
from webportal.audit.trail import Event, append

FILTERS = [
    OpenApiParameter("actor", OpenApiTypes.STR),
    OpenApiParameter("action", OpenApiTypes.STR, enum=Action.values),
    OpenApiParameter("object_id", OpenApiTypes.STR, description="The id of an object or a study."),
    OpenApiParameter("first_day", OpenApiTypes.DATE),
    OpenApiParameter("last_day", OpenApiTypes.DATE),
]


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    """One event, with the MACs that chain it to the one before it."""

    detail = serializers.DictField()
    origin = serializers.DictField(
        allow_null=True,
        help_text="`address`, `device`, `session` (beginning of its key's SHA-256) and `token` of"
        " the request, as far as there are; null for what was done outside of one, and for"
        " entries of earlier releases.",
    )

    class Meta:
        model = AuditEntry
        fields = COLUMNS


class TrailFinding(serializers.Serializer[Any]):
    """Something wrong with the trail, the anchors or a record."""

    code = serializers.CharField()
    sequence = serializers.IntegerField(
        help_text="The number of the entry; 0 if it does not concern an entry."
    )
    object_type = serializers.CharField(
        help_text="The type of the record; empty if it does not concern a record."
    )
    object_id = serializers.CharField()
    problem = serializers.CharField()


class TrailVerification(serializers.ModelSerializer[Verification]):
    """A verification: its progress and, at the end, its findings."""

    state = serializers.ChoiceField(["waiting", "running", "done"], read_only=True)
    intact = serializers.SerializerMethodField(help_text="Null until it is done.")
    findings = serializers.SerializerMethodField()
    remarks = serializers.SerializerMethodField()

    class Meta:
        model = Verification
        fields = [
            "state",
            "requested_at",
            "requested_by",
            "finished_at",
            "done",
            "total",
            "intact",
            "entries",
            "anchors",
            "findings",
            "remarks",
        ]

    def get_intact(self, verification: Verification) -> bool | None:
        """Whether the verification found nothing wrong."""
        verdict = verification.verdict
        return None if verdict is None else verdict.intact

    @extend_schema_field(TrailFinding(many=True))
    def get_findings(self, verification: Verification) -> Any:
        """Return the findings; none while the verification runs."""
        verdict = verification.verdict
        return TrailFinding(verdict.findings if verdict else [], many=True).data

    def get_remarks(self, verification: Verification) -> list[str]:
        """Remarks that are worth knowing but no sign of tampering."""
        verdict = verification.verdict
        return [str(remark) for remark in verdict.remarks] if verdict else []


class AuditEntryEndpoint(Endpoint[AuditEntry]):
    """The audit trail."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    pagination_class = TrailPages
    filter_backends = []
    roles = dict.fromkeys(("list", "verify", "verification"), (Role.AUDITOR,))

    @extend_schema(parameters=FILTERS)
    def list(self, request: Request) -> Response:
        """The trail, newest first; reading it is itself recorded."""
        form = TrailFilter(request.query_params)
        if not form.is_valid():
            raise form_problem(form)
        entries: QuerySet[AuditEntry] = form.entries()
        page = self.get_serializer(self.paginate_queryset(entries), many=True).data
        append(Event(Action.AUDIT_VIEWED, detail=form.used()), self.person)
        return self.get_paginated_response(page)

    @extend_schema(request=NoBody, responses={202: TrailVerification})
    @action(detail=False, methods=["post"])
    def verify(self, request: Request) -> Response:
        """Request a verification of the trail, its anchors and the records.

        It runs in the background; get its state at `/audit-entries/verification`.
        """
        asked = runs.request(self.person)
        return Response(TrailVerification(asked).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=TrailVerification)
    @action(detail=False, pagination_class=None)
    def verification(self, request: Request) -> Response:
        """The verification requested last; 404 before the first one."""
        latest = runs.latest()
        if latest is None:
            raise NotFound
        return Response(TrailVerification(latest).data)
