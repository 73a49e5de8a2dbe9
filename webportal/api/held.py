"""Files held because their patient is in doubt, and the decisions on them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.roles import UPLOADERS
from webportal.api.base import Endpoint
from webportal.api.forms import FormSerializer
from webportal.api.pagination import StableOrdering
from webportal.api.patients import PatientSerializer
from webportal.api.problems import form_problem
from webportal.api.shown import show_all
from webportal.api.uploads import ItemSerializer
from webportal.intake.held import resolution
from webportal.intake.held.forms import HeldFileForm, initial_of
from webportal.intake.models import UploadItem, Verdict
from webportal.intake.shown import without_others


class ClaimedIdentity(serializers.Serializer[Any]):
    """The patient as named by the held file or by the case record sent with it."""

    patient_id = serializers.CharField()
    issuer = serializers.CharField()
    name = serializers.CharField()
    birth_date = serializers.DateField(allow_null=True)
    sex = serializers.CharField()


class QuestionSerializer(serializers.Serializer[Any]):
    """A held file together with the record that it contradicts."""

    item = ItemSerializer()
    claimed = ClaimedIdentity()
    recorded = PatientSerializer(
        allow_null=True, help_text="Null if no patient is recorded under the file's Patient ID."
    )
    differences = serializers.ListField(child=serializers.CharField())
    alike = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="Other held files of the batch that name the same person.",
    )


class FileCorrection(FormSerializer):
    """Values that replace the file's. For fields left out, the file's values are used."""

    form = HeldFileForm
    is_partial = True


class Resolution(serializers.Serializer[Any]):
    """A person's decision on a held file."""

    decision = serializers.ChoiceField(choices=resolution.Decision.choices)
    correction = FileCorrection(required=False, help_text="For the decision `corrected`.")


class HeldFileEndpoint(ListModelMixin, Endpoint[UploadItem]):
    """Files whose patient is in doubt, and the decision on them."""

    queryset = UploadItem.objects.filter(verdict=Verdict.HELD).select_related("radiograph")
    serializer_class = ItemSerializer
    ordering_fields = ["created_at"]
    ordering = ["created_at"]
    filter_backends = [StableOrdering]
    roles = dict.fromkeys(("list", "retrieve", "resolve"), UPLOADERS)

    @extend_schema(responses=QuestionSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What a person needs to know in order to decide."""
        item = self.get_object()
        asked = resolution.question(item, self.person)
        alike = resolution.alike(item, self.person)
        show_all(request, [item, *alike, *([asked.recorded] if asked.recorded else [])])
        question = {
            "item": item,
            "claimed": asked.claimed,
            "recorded": asked.recorded,
            "differences": asked.differences,
            "alike": [other.pk for other in alike],
        }
        return Response(QuestionSerializer(question).data)

    @extend_schema(request=Resolution, responses=ItemSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Carry out a decision and return the file with its new verdict."""
        given = Resolution(data=request.data)
        given.is_valid(raise_exception=True)
        decision = resolution.Decision(given.validated_data["decision"])
        item, correction = self.get_object(), None
        if decision == resolution.Decision.CORRECTED:
            asked = resolution.question(item, self.person)
            initial = initial_of(asked)
            form = HeldFileForm(
                initial | given.validated_data.get("correction", {}), initial=initial
            )
            if not form.is_valid():
                raise form_problem(form)
            correction = form.correction(asked)
        resolved = resolution.resolve(item, decision, self.person, correction)
        [item] = without_others([resolved], self.person)
        return Response(self.get_serializer(item).data)
