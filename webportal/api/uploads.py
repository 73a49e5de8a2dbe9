"""Upload batches and their files."""

import uuid
from functools import cache
from http import HTTPStatus
from typing import IO, Any

import django_filters
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.db.models import QuerySet
from django.utils.datastructures import MultiValueDict
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from ml import images
from webportal.accounts.roles import UPLOADERS
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint, PriorityField
from webportal.api.forms import FormSerializer
from webportal.api.problems import form_problem
from webportal.intake import pipeline
from webportal.intake.access_reporting import without_others
from webportal.intake.batches import services, summary
from webportal.intake.batches.forms import BatchForm, read_forms
from webportal.intake.cases.case_record import CaseRecordForm
from webportal.intake.models import IdentityMode, UploadBatch, UploadItem, Verdict
from webportal.intake.pipeline.receive import too_large
from webportal.records.choices import Priority

# A request contains names and boundaries besides the file.
REQUEST_OVERHEAD = 1024**2
#: They share a thread of the portal until all have their verdicts.
MOST_FILES_PER_REQUEST = 50


class TooLarge(APIException):
    """The request is larger than the largest file allowed."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class UploadCaseRecord(FormSerializer):
    """Patient and study of all files of a batch, validated as in the portal."""

    form = CaseRecordForm


class NewBatch(serializers.Serializer[Any]):
    """How the files of a batch get their patients."""

    name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    priority = PriorityField(default=Priority.ROUTINE)
    identity_mode = serializers.ChoiceField(
        choices=IdentityMode.choices,
        default=IdentityMode.TEMPORARY,
        help_text="Where the patient of a file comes from if the file itself does not name one.",
    )
    department = serializers.UUIDField(
        required=False,
        help_text="To which new studies belong; may be left out by those who belong to only one.",
    )
    case_record = UploadCaseRecord(required=False, help_text="For the mode `form`.")
    sheet = serializers.CharField(
        required=False,
        trim_whitespace=False,
        help_text="For the mode `sheet`: the text of the CSV sheet, one line per file.",
    )


class SummarySerializer(serializers.Serializer[Any]):
    """The progress of a batch: verdicts of its files, and analyses of the accepted ones."""

    expected = serializers.IntegerField(
        help_text="Number of files that the sender announced; 0 if not announced."
    )
    received = serializers.IntegerField(help_text="Number of files that have a verdict.")
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    held = serializers.IntegerField()
    refused = serializers.IntegerField()
    discarded = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Images not analysed yet.")
    analysed = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Failed and cancelled analyses.")
    unidentified = serializers.IntegerField(help_text="Studies with a temporary identity.")


class BatchSerializer(serializers.ModelSerializer[UploadBatch]):
    """Files that one user sends together."""

    priority = PriorityField()

    class Meta:
        model = UploadBatch
        fields = ["id", "name", "created_by", "created_at", "priority", "identity_mode"]
        fields += ["department"]


class CountedBatchSerializer(BatchSerializer):
    """A batch and its progress."""

    summary = serializers.SerializerMethodField()

    class Meta(BatchSerializer.Meta):
        fields = [*BatchSerializer.Meta.fields, "summary"]

    @extend_schema_field(SummarySerializer)
    def get_summary(self, batch: UploadBatch) -> dict[str, Any]:
        """The progress at this moment."""
        return SummarySerializer(summary.summarise(batch, self.context["request"].user)).data


class ItemSerializer(serializers.ModelSerializer[UploadItem]):
    """One file of a batch and its verdict."""

    study = serializers.UUIDField(source="radiograph.study_id", default=None, allow_null=True)
    reason = serializers.CharField(source="reason.english", read_only=True)

    class Meta:
        model = UploadItem
        fields = [
            "id",
            "batch",
            "file_name",
            "sha256",
            "size",
            "verdict",
            "reason_code",
            "reason",
            "radiograph",
            "study",
            "created_at",
            "updated_at",
        ]


class NewFiles(serializers.Serializer[Any]):
    """Files, or one ZIP of files."""

    file = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True, max_length=400),
        max_length=MOST_FILES_PER_REQUEST,
        help_text="One or several files, each in a part of this name; a ZIP only by itself.",
    )
    path = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The path of each file within its folder, in their order; by default its name.",
    )
    expected = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=1_000_000,
        help_text="How many files the sender has in total.",
    )


class Verdicts(serializers.Serializer[Any]):
    """The verdicts: an item for each file, in their order, or for each file of a ZIP."""

    items = ItemSerializer(many=True)


@cache
def _verdicts() -> Verdicts:
    """The serializer of every answer: to compose its fields takes longer than to use them."""
    return Verdicts()


class ItemFilter(django_filters.FilterSet):
    """Filters of the list of a batch's files."""

    verdict = django_filters.MultipleChoiceFilter(choices=Verdict.choices)

    class Meta:
        model = UploadItem
        fields: list[str] = []


class BatchFilter(django_filters.FilterSet):
    """Filters of the list of batches."""

    created_by = django_filters.UUIDFilter(field_name="created_by_id")

    class Meta:
        model = UploadBatch
        fields: list[str] = []


class BatchEndpoint(ListModelMixin, Endpoint[UploadBatch]):
    """Upload batches."""

    queryset = UploadBatch.objects.all()
    serializer_class = BatchSerializer
    filterset_class = BatchFilter
    ordering_fields = ["created_at"]
    ordering = ["-created_at"]
    roles = dict.fromkeys(("list", "retrieve", "create"), UPLOADERS)
    of_uploading = ("list", "retrieve", "create")

    @extend_schema(responses=CountedBatchSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One batch and its progress."""
        batch = self.get_object()
        show_all(request, [batch])
        return Response(self._counted(batch))

    @extend_schema(request=NewBatch, responses={201: CountedBatchSerializer})
    def create(self, request: Request) -> Response:
        """Create a batch; files are then sent to it."""
        given = NewBatch(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        files: MultiValueDict[str, UploadedFile[bytes]] = MultiValueDict()
        if "sheet" in values:
            files["sheet"] = SimpleUploadedFile("sheet.csv", values["sheet"].encode())
        batch_form = BatchForm(values, files, by=self.person)
        case_form = CaseRecordForm(values.get("case_record", {}))
        answer = read_forms(batch_form, case_form)
        if answer is None:
            raise _batch_problem(batch_form, case_form)
        fields, records = answer
        batch = services.create_batch(self.person, **fields, records=records)
        show_all(request, [batch])
        return Response(self._counted(batch), status=201)

    def _counted(self, batch: UploadBatch) -> Any:
        return CountedBatchSerializer(batch, context=self.get_serializer_context()).data


def _batch_problem(batch_form: BatchForm, case_form: CaseRecordForm) -> ValidationError:
    checked = batch_form.checked_sheet
    if checked is not None and checked.bad_lines:
        lines = [
            ErrorDetail(f"Line {line.number}: {problem}", "sheet_line")
            for line in checked.bad_lines
            for problem in line.problems
        ]
        return ValidationError({"sheet": lines})
    if batch_form.errors:
        return form_problem(batch_form)
    return ValidationError({"case_record": form_problem(case_form).detail})


class BatchFileEndpoint(Endpoint[UploadItem]):
    """The files of a batch."""

    queryset = UploadItem.objects.select_related("radiograph")
    serializer_class = ItemSerializer
    filterset_class = ItemFilter
    ordering_fields = ["created_at", "file_name"]
    ordering = ["created_at"]
    roles = dict.fromkeys(("list", "create"), UPLOADERS)
    of_uploading = ("list", "create")
    parser_classes = [MultiPartParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a request that is far too large before its body is read and fills the disk."""
        limit = max(settings.UPLOAD_MAX_BYTES, settings.UPLOAD_MAX_ARCHIVE_BYTES)
        if int(request.META.get("CONTENT_LENGTH") or 0) > limit + REQUEST_OVERHEAD:
            raise TooLarge(too_large(limit).message)
        super().initial(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[UploadItem]:
        """The files of the batch in the URL."""
        return super().get_queryset().filter(batch=self.kwargs["batch_id"])

    def list(self, request: Request, batch_id: uuid.UUID) -> Response:
        """The files of a batch and their verdicts."""
        get_object_or_404(UploadBatch.objects.visible_to(self.person), pk=batch_id)
        found: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        page = without_others(found, self.person)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request={"multipart/form-data": NewFiles}, responses={200: Verdicts})
    def create(self, request: Request, batch_id: uuid.UUID) -> Response:
        """Send one file, several, or a ZIP of files, and get the verdicts.

        Sending a file again returns the same verdict and creates nothing, so that a broken
        connection costs one repetition.
        """
        batch = get_object_or_404(UploadBatch.objects.visible_to(self.person), pk=batch_id)
        given = NewFiles(data=request.data)
        given.is_valid(raise_exception=True)
        if "expected" in given.validated_data:
            services.announce(batch, given.validated_data["expected"])
        files = _named(request, given.validated_data)
        items = without_others(pipeline.receive_files(batch, files, self.person), self.person)
        show_all(request, items)
        return Response(_verdicts().to_representation({"items": items}))


def _named(request: Request, values: dict[str, Any]) -> list[tuple[str, IO[bytes]]]:
    """Return the files with their paths. Raises ValidationError if one could be overlooked."""
    files = values["file"]
    paths = values.get("path") or [file.name for file in files]
    if sum(len(found) for _, found in request.FILES.lists()) > len(files):
        raise ValidationError(
            {"file": "Send every file in a part named “file”. Nothing was stored."}
        )
    if len(paths) != len(files):
        raise ValidationError({"path": "Send a path for each file, or none. Nothing was stored."})
    if len(files) > 1 and any(images.sniff_file(file) == "zip" for file in files):
        raise ValidationError({"file": "Send a ZIP in a request of its own. Nothing was stored."})
    return list(zip(paths, files, strict=True))
