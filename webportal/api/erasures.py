"""Erasures of patients: asked for by one person, confirmed by another. No patient is named."""

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS
from webportal.accounts.services import AccountError, PasswordUncheckedError
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint, NoBody
from webportal.erasure import services
from webportal.erasure.models import REASON_LENGTH, REFERENCE_LENGTH, Erasure, ErasureState
from webportal.erasure.obstacles import obstacles
from webportal.erasure.plan import Plan
from webportal.records.models import Patient
from webportal.refusals import Refusal

_COUNTS = {
    "type": "object",
    "additionalProperties": {"type": "integer"},
}


class PlanSerializer(serializers.Serializer[Plan]):
    """What a confirmation would erase, determined for this response; nothing is changed."""

    digest = serializers.CharField(
        help_text="Of the list. A confirmation states it, and is refused if the list has changed."
    )
    counts = serializers.SerializerMethodField(help_text="How many of each kind would be erased.")
    studies = serializers.SerializerMethodField(help_text="The studies that would be erased.")
    kept = serializers.SerializerMethodField(
        help_text="Studies of others that were once recorded under this identity: they stay."
    )
    unreadable = serializers.SerializerMethodField(
        help_text="Files that cannot be read, so that nobody knows whose they are: they stay."
    )
    obstacles = serializers.SerializerMethodField(help_text="Codes of what prevents the erasure.")

    @extend_schema(responses=_COUNTS)
    def get_counts(self, plan: Plan) -> dict[str, int]:
        """Return how many rows of each kind would be erased."""
        return plan.counts

    def get_studies(self, plan: Plan) -> list[str]:
        """Their ids."""
        return sorted(map(str, plan.studies))

    def get_kept(self, plan: Plan) -> list[str]:
        """Their ids."""
        return sorted(map(str, plan.kept))

    def get_unreadable(self, plan: Plan) -> list[str]:
        """Their keys."""
        return sorted(plan.unreadable)

    def get_obstacles(self, plan: Plan) -> list[str]:
        """What delays the erasure, longest first."""
        return obstacles(plan)


class ErasureSerializer(serializers.ModelSerializer[Erasure]):
    """An erasure, which names nobody: only ids, counts and hashes."""

    patient = serializers.UUIDField(
        help_text="Null if the erasure is of studies that were due by age."
    )
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="What was erased, once it is done."
    )
    hashes = serializers.ListField(
        child=serializers.CharField(), help_text="The SHA-256 of each file that was erased."
    )
    entries = serializers.ListField(
        child=serializers.IntegerField(), help_text="The numbers of its entries in the audit trail."
    )

    class Meta:
        model = Erasure
        fields = [
            "id",
            "patient",
            "reason",
            "reference",
            "state",
            "requested_at",
            "requested_by",
            "decided_at",
            "decided_by",
            "finished_at",
            "waits_for",
            "counts",
            "hashes",
            "entries",
        ]


class ErasureWithPlan(ErasureSerializer):
    """An erasure and, until somebody has decided on it, what it would erase."""

    plan = serializers.SerializerMethodField(
        help_text="Null once it has been decided on, if the patient no longer exists, and for"
        " studies that are due by age, whose erasure is confirmed on the page."
    )

    class Meta(ErasureSerializer.Meta):
        fields = [*ErasureSerializer.Meta.fields, "plan"]

    @extend_schema(responses=PlanSerializer)
    def get_plan(self, erasure: Erasure) -> dict[str, Any] | None:
        """The dry run."""
        plan = services.plan_of(erasure) if erasure.state == ErasureState.REQUESTED else None
        return None if plan is None else PlanSerializer(plan).data


class NewErasure(serializers.Serializer[Any]):
    """Why a patient is to be erased."""

    reason = serializers.CharField(max_length=REASON_LENGTH)
    reference = serializers.CharField(
        max_length=REFERENCE_LENGTH,
        allow_blank=True,
        default="",
        help_text="Such as a file number.",
    )


class ConfirmationSerializer(serializers.Serializer[Any]):
    """The list that was reviewed, and the caller's own password: a token alone is not enough."""

    digest = serializers.CharField(help_text="`plan.digest` of the erasure.")
    password = serializers.CharField(trim_whitespace=False, write_only=True)


class WrongPasswordError(Refusal):
    """The caller's password was not given."""

    status = HTTPStatus.FORBIDDEN

    def __init__(self, message: str) -> None:
        super().__init__("wrong_password", f"{message} " + _("Nothing is erased."))


class PatientErasureEndpoint(Endpoint[Patient]):
    """The request for the erasure of a patient."""

    queryset = Patient.objects.all()
    filter_backends = []
    roles = {"erasure": UPLOADERS}

    @extend_schema(request=NewErasure, responses={201: ErasureSerializer})
    @action(detail=True, methods=["post"])
    def erasure(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Request that a patient be erased; somebody else, of hospital IT, has to confirm it.

        409 `conflict` if there is something that prevents it, such as a legal hold or an unread
        study, or if it was requested already. Nothing is erased by this.
        """
        patient = self.get_object()
        given = NewErasure(data=request.data)
        given.is_valid(raise_exception=True)
        asked = services.request(patient, by=self.person, **given.validated_data)
        show_all(request, [patient])
        return Response(ErasureSerializer(asked).data, status=201)


class ErasureEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Erasure]):
    """Erasures: to be confirmed, in progress, done and declined."""

    queryset = Erasure.objects.all()
    serializer_class = ErasureSerializer
    filterset_fields = ["state", "patient"]
    ordering_fields = ["requested_at", "decided_at", "finished_at"]
    ordering = ["-requested_at"]
    roles = dict.fromkeys(("list", "retrieve", "confirm", "decline", "certificate"), (Role.IT,))

    @extend_schema(responses=ErasureWithPlan)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One erasure; while it is to be confirmed, with the dry run: what would be erased."""
        found = self.get_object()
        show_all(request, [found])
        return Response(ErasureWithPlan(found).data)

    @extend_schema(request=ConfirmationSerializer, responses=ErasureSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Confirm an erasure that somebody else has requested; it is carried out within a minute.

        It cannot be undone. 403 if the password is wrong; 409 `conflict` if the caller requested
        it, the list has changed since, something prevents it, or somebody else has decided on it.
        People whose password Chestline cannot check, because they sign in through an identity
        provider or by passkey alone, confirm on the page.
        """
        asked = self.get_object()
        given = ConfirmationSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        try:
            services.confirm(asked, values["digest"], values["password"], by=self.person)
        except PasswordUncheckedError:
            raise
        except AccountError as error:
            raise WrongPasswordError(str(error)) from error
        return self._answer(asked)

    @extend_schema(request=NoBody, responses=ErasureSerializer)
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Decline an erasure: nothing is erased. 409 `conflict` if somebody has decided on it."""
        asked = self.get_object()
        services.decline(asked, self.person)
        return self._answer(asked)

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    @action(detail=True)
    def certificate(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """The certificate of an erasure as a PDF; 409 `conflict` until it is done."""
        done = self.get_object()
        content = services.certificate_of(done, self.person)
        show_all(request, [done])
        return HttpResponse(content, content_type="application/pdf")

    def _answer(self, erasure: Erasure) -> Response:
        erasure.refresh_from_db()
        show_all(self.request, [erasure])
        return Response(ErasureSerializer(erasure).data)
