"""Patients and their identities."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS
from webportal.api.base import Endpoint, SearchText
from webportal.api.forms import FormSerializer
from webportal.api.problems import form_problem
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.forms import LONGEST_REASON, PatientForm, form_values
from webportal.records.models import Patient
from webportal.records.searches import find_patients
from webportal.records.services import change_patient


class PatientSerializer(serializers.ModelSerializer[Patient]):
    """A patient. `name` is in DICOM's form, FAMILY^Given."""

    class Meta:
        model = Patient
        fields = [
            "id",
            "patient_id",
            "issuer",
            "name",
            "birth_date",
            "sex",
            "is_temporary",
            "created_at",
        ]


class IdentitySerializer(FormSerializer):
    """A patient's identity. Fields that are left out stay as they are."""

    form = PatientForm
    is_partial = True


class IdentityCorrectionRequest(IdentitySerializer):
    """A correction after a signature, with its reason. Fields left out stay as they are."""

    reason = serializers.CharField(
        max_length=LONGEST_REASON, help_text="The reason for the correction."
    )


class PatientFilter(django_filters.FilterSet):
    """Filters of the list of patients; none puts patient data into a URL."""

    is_temporary = django_filters.BooleanFilter()

    class Meta:
        model = Patient
        fields = ["is_temporary"]


class PatientEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Patient]):
    """Patients."""

    queryset = Patient.objects.all()
    serializer_class = PatientSerializer
    filterset_class = PatientFilter
    ordering_fields = ["name", "patient_id", "created_at"]
    ordering = ["name", "patient_id"]
    roles = dict.fromkeys(("list", "retrieve", "partial_update", "search"), UPLOADERS) | {
        "correct": (Role.RADIOLOGIST,)
    }
    read_by_post = ("search",)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One patient; viewing it is recorded in the audit trail."""
        patient = self.get_object()
        append(Event(Action.PATIENT_VIEWED, "patient", patient.pk), self.person)
        return Response(self.get_serializer(patient).data)

    @extend_schema(request=SearchText, responses={200: PatientSerializer(many=True)})
    @action(detail=False, methods=["post"], filter_backends=[])
    def search(self, request: Request) -> Response:
        """Find patients by words from their name, Patient ID or accession numbers."""
        given = SearchText(data=request.data)
        given.is_valid(raise_exception=True)
        show(request, text=given.validated_data["text"])
        found = find_patients(given.validated_data["text"], self.person)
        found = found.order_by("name", "patient_id", "pk")
        page = self.get_serializer(self.paginate_queryset(found), many=True)
        return self.get_paginated_response(page.data)

    @extend_schema(request=IdentitySerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Correct or complete a patient's data, until a study of the patient is signed.

        After that 409 `identity-signed`: see correct.
        """
        given = IdentitySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self._change(given.validated_data)

    @extend_schema(request=IdentityCorrectionRequest)
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Correct a patient's data after a study of the patient is signed.

        The old and the new values are kept in the audit trail, the reads signed before are marked,
        and their readers notified.
        """
        given = IdentityCorrectionRequest(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        return self._change(values, values.pop("reason"))

    def _change(self, given: dict[str, Any], reason: str = "") -> Response:
        patient = self.get_object()
        form = PatientForm(form_values(patient) | given)
        if not form.is_valid():
            raise form_problem(form)
        values = form.values()
        if not {"family_name", "given_name"} & set(given):
            # A name may have components for which the form has no field.
            values["name"] = patient.name
        change_patient(patient, values, self.person, reason)
        patient.refresh_from_db()
        return Response(self.get_serializer(patient).data)
