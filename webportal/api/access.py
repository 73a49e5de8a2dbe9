"""The access log: who was shown which patient. Reading it is recorded in it and in the trail."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.access.models import AccessEntry, AccessKind, AccessOutcome
from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint, SearchText
from webportal.api.pagination import TrailPages
from webportal.api.patients import PatientSerializer
from webportal.api.problems import form_problem
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.auditing.accesses import COLUMNS, AccessFilter
from webportal.auditing.subjects import Subject, find_subjects, subject_of
from webportal.records.models import Patient

FILTERS = [
    OpenApiParameter(
        "patient",
        OpenApiTypes.UUID,
        description="Whom the entries show, under any identity that the patient had.",
    ),
    OpenApiParameter("user", OpenApiTypes.STR),
    OpenApiParameter("address", OpenApiTypes.STR),
    OpenApiParameter("kind", OpenApiTypes.STR, enum=AccessKind.values),
    OpenApiParameter("first_day", OpenApiTypes.DATE),
    OpenApiParameter("last_day", OpenApiTypes.DATE),
]


class AccessPages(TrailPages):
    """Pages of the access log, newest first."""

    ordering = "-id"


class AccessEntrySerializer(serializers.ModelSerializer[AccessEntry]):
    """One request answered, or one start or stop of a process."""

    kind = serializers.ChoiceField(choices=AccessKind.choices)
    outcome = serializers.ChoiceField(choices=AccessOutcome.choices)
    criteria = serializers.DictField(help_text="What was searched or filtered by.")

    class Meta:
        model = AccessEntry
        fields = COLUMNS


class AccessEntryEndpoint(Endpoint[AccessEntry]):
    """The access log."""

    queryset = AccessEntry.objects.all()
    serializer_class = AccessEntrySerializer
    pagination_class = AccessPages
    filter_backends = []
    roles = dict.fromkeys(("list", "patients"), (Role.AUDITOR,))

    @extend_schema(parameters=FILTERS)
    def list(self, request: Request) -> Response:
        """The entries, newest first."""
        form = AccessFilter(request.query_params)
        if not form.is_valid():
            raise form_problem(form)
        subject = _subject(request)
        if subject is not None:
            show(request, patient_ids=[subject.patient.pk])
        entries = form.entries(subject.entries() if subject else None)
        page = self.get_serializer(self.paginate_queryset(entries), many=True).data
        patient = subject.patient.pk if subject else ""
        event = Event(
            Action.ACCESS_VIEWED, "patient" if patient else "", patient, detail=form.used()
        )
        append(event, self.person)
        return self.get_paginated_response(page)

    @extend_schema(request=SearchText, responses={200: PatientSerializer(many=True)})
    @action(detail=False, methods=["post"], pagination_class=None)
    def patients(self, request: Request) -> Response:
        """At most 50 patients, by parts of a current or former name or identifier."""
        given = SearchText(data=request.data)
        given.is_valid(raise_exception=True)
        text = given.validated_data["text"]
        found = find_subjects(text)
        show(request, text=text)
        show_all(request, found)
        return Response(PatientSerializer(found, many=True).data)


def _subject(request: Request) -> Subject | None:
    given = request.query_params.get("patient")
    if not given:
        return None
    try:
        patient = Patient.objects.filter(pk=UUID(given)).first()
    except ValueError as error:
        detail = ErrorDetail("Write the id of a patient.", "invalid")
        raise ValidationError({"patient": [detail]}) from error
    if patient is None:
        raise NotFound("There is no patient of this id.")
    return subject_of(patient)
