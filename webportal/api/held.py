"""Files held because their patient is in doubt, and the decisions on them."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.roles import UPLOADERS
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint
from webportal.api.forms import FormSerializer
from webportal.api.pagination import StableOrdering
from webportal.api.patients import PatientSerializer
from webportal.api.problems import Problem, form_problem, problem_response
from webportal.api.uploads import ItemSerializer
from webportal.intake.access_reporting import without_others
from webportal.intake.held import resolution
from webportal.intake.held.forms import HeldFileForm, initial_of
from webportal.intake.models import UploadItem, Verdict
from webportal.refusals import Refusal

#: Each is checked in the sandbox again, while the caller waits.
MOST_AT_ONCE = 100


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

    decision = serializers.ChoiceField(choices=resolution.HeldDecision.choices)
    correction = FileCorrection(required=False, help_text="For the decision `corrected`.")


class Decisions(Resolution):
    """The same decision on several held files, each of which keeps its own values otherwise."""

    files = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=MOST_AT_ONCE
    )


class ManyResolutions(serializers.Serializer[Any]):
    """Decisions on up to 100 held files: one for all of them, or one for each."""

    decisions = Decisions(many=True, allow_empty=False)

    def validate_decisions(self, decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse too many files, and two decisions on one."""
        files = [file for each in decisions for file in each["files"]]
        if len(files) > MOST_AT_ONCE:
            raise serializers.ValidationError(f"At most {MOST_AT_ONCE} files at once.")
        if len(set(files)) < len(files):
            raise serializers.ValidationError("A file is named twice.")
        return decisions


class FileAnswer(serializers.Serializer[Any]):
    """What became of one file: its new verdict, or why it is still held."""

    file = serializers.UUIDField()
    item = ItemSerializer(allow_null=True)
    problem = Problem(allow_null=True)


class ManyAnswers(serializers.Serializer[Any]):
    """The answer for each file, in the order of the request."""

    files = FileAnswer(many=True)


class HeldFileEndpoint(ListModelMixin, Endpoint[UploadItem]):
    """Files whose patient is in doubt, and the decision on them."""

    queryset = UploadItem.objects.filter(verdict=Verdict.HELD).select_related("radiograph")
    serializer_class = ItemSerializer
    ordering_fields = ["created_at"]
    ordering = ["created_at"]
    filter_backends = [StableOrdering]
    roles = dict.fromkeys(("list", "retrieve", "resolve", "resolve_many"), UPLOADERS)

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
        resolved = self._resolve(self.get_object(), given.validated_data)
        return Response(self.get_serializer(resolved).data)

    @extend_schema(request=ManyResolutions, responses=ManyAnswers)
    @action(detail=False, methods=["post"], url_path="bulk/resolve")
    def resolve_many(self, request: Request) -> Response:
        """Decide on many held files; each is decided on by itself, whatever becomes of others."""
        given = ManyResolutions(data=request.data)
        given.is_valid(raise_exception=True)
        answers = [
            self._answer(file, decision)
            for decision in given.validated_data["decisions"]
            for file in decision["files"]
        ]
        context = self.get_serializer_context()
        return Response(ManyAnswers({"files": answers}, context=context).data)

    def _answer(self, file: UUID, decision: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"file": file, "item": None, "problem": None}
        try:
            item = get_object_or_404(self.get_queryset(), pk=file)
            show_all(self.request, [item])
            answer["item"] = self._resolve(item, decision)
            show_all(self.request, [answer["item"]])
        except (Refusal, APIException, Http404) as error:
            problem = problem_response(error, {})
            assert problem is not None
            answer["problem"] = problem.data
        return answer

    def _resolve(self, item: UploadItem, given: dict[str, Any]) -> UploadItem:
        """Carry out a decision on a file. Raises what `resolution.resolve` does."""
        decision, correction = resolution.HeldDecision(given["decision"]), None
        if decision == resolution.HeldDecision.CORRECTED:
            asked = resolution.question(item, self.person)
            initial = initial_of(asked)
            form = HeldFileForm(initial | given.get("correction", {}), initial=initial)
            if not form.is_valid():
                raise form_problem(form)
            correction = form.correction(asked)
        resolved = resolution.resolve(item, decision, self.person, correction)
        [item] = without_others([resolved], self.person)
        return item
