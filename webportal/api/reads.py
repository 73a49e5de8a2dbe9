"""Reads: drafts, signatures and addenda."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint, NoBody
from webportal.api.read_serializers import (
    AddendumSerializer,
    EntrySerializer,
    NewAddendum,
    ReadSerializer,
    SignatureSerializer,
)
from webportal.records.models import Study
from webportal.review.models import (
    Read,
    ReadState,
    Reservation,
    TextTemplate,
)
from webportal.review.reads import addenda, reservation, services
from webportal.review.reads.blinding import studies_with_withheld_results, visible_reads
from webportal.review.reads.corrections import take_note
from webportal.review.reads.standing import stands
from webportal.review.reads.taking_back import take_back
from webportal.review.study.reading_panel import templates_of


class ReservationSerializer(serializers.ModelSerializer[Reservation]):
    """Who is reading a study, and until when unless it is renewed."""

    reader_name = serializers.CharField(source="reader")

    class Meta:
        model = Reservation
        fields = ["study", "reader", "reader_name", "reserved_at", "expires_at"]


class TakeNext(serializers.Serializer[Any]):
    """The study to release unread, if any."""

    after = serializers.UUIDField(
        allow_null=True,
        default=None,
        help_text="A study to release; the next one below it on the worklist is reserved.",
    )


class TextTemplateSerializer(serializers.ModelSerializer[TextTemplate]):
    """A text template for the impression."""

    is_shared = serializers.SerializerMethodField()

    class Meta:
        model = TextTemplate
        fields = ["id", "key", "name", "text", "is_shared"]

    def get_is_shared(self, template: TextTemplate) -> bool:
        """Whether all radiologists have it."""
        return template.owner_id is None


class TextTemplateEndpoint(Endpoint[TextTemplate]):
    """The text templates that the caller can use; they are edited in the portal."""

    queryset = TextTemplate.objects.all()
    serializer_class = TextTemplateSerializer
    filter_backends = []
    pagination_class = None
    roles = {"list": (Role.RADIOLOGIST,)}

    @extend_schema(responses=TextTemplateSerializer(many=True))
    def list(self, request: Request) -> Response:
        """One template per key; the caller's own takes precedence over a shared one."""
        return Response(TextTemplateSerializer(templates_of(self.person), many=True).data)


class ReadingEndpoint(Endpoint[Study]):
    """Reading a study."""

    queryset = Study.objects.all()
    filter_backends = []
    roles = dict.fromkeys(
        ("take_next", "reservation", "give_back", "draft", "save_draft", "discard_draft", "sign"),
        (Role.RADIOLOGIST,),
    )

    @extend_schema(
        operation_id="studies_next",
        request=TakeNext,
        responses={200: ReservationSerializer, 204: None},
    )
    @action(detail=False, methods=["post"], url_path="next")
    def take_next(self, request: Request) -> Response:
        """Reserve the most urgent study that the caller may read; 204 if there is none."""
        given = TakeNext(data=request.data)
        given.is_valid(raise_exception=True)
        left = self.get_queryset().filter(pk=given.validated_data["after"]).first()
        taken = reservation.reserve_next(self.person, left)
        if taken is None:
            return Response(status=204)
        return Response(ReservationSerializer(reservation.reservation_of(taken)).data)

    @extend_schema(request=NoBody, responses=ReservationSerializer)
    @action(detail=True, methods=["put"])
    def reservation(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Reserve a study, or renew a reservation; the response names its holder."""
        present = reservation.reserve(self.get_object(), self.person)
        return Response(ReservationSerializer(present).data)

    @extend_schema(request=None, responses={204: None})
    @reservation.mapping.delete
    def give_back(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Release the caller's own reservation."""
        reservation.give_back(self.get_object(), self.person)
        return Response(status=204)

    @extend_schema(responses=ReadSerializer)
    @action(detail=True)
    def draft(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The caller's own draft; 404 if there is none."""
        drafts = Read.objects.visible_to(self.person).filter(
            reader=self.person, state=ReadState.DRAFT
        )
        draft = drafts.filter(study=self.get_object()).first()
        if draft is None:
            raise NotFound("You have no draft of this study.")
        return _answer(request, draft)

    @extend_schema(request=EntrySerializer, responses=ReadSerializer)
    @draft.mapping.put
    def save_draft(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Save the caller's input so far, which may be incomplete."""
        given = EntrySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        read = services.save_draft(self.get_object(), self.person, given.entry())
        return _answer(request, read)

    @extend_schema(request=None, responses={204: None})
    @draft.mapping.delete
    def discard_draft(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Discard the caller's own draft."""
        services.discard_draft(self.get_object(), self.person)
        return Response(status=204)

    @extend_schema(request=SignatureSerializer, responses=ReadSerializer)
    @action(detail=True, methods=["post"])
    def sign(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sign a read, or an amendment of one's own; repeating the request changes nothing.

        403 if the password is wrong, 409 if another result or another signature came in
        between; the read is then kept as a draft.
        """
        given = SignatureSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        password = given.validated_data["password"]
        read = services.sign(self.get_object(), self.person, given.entry(), password)
        return _answer(request, read)


class ReadFilter(django_filters.FilterSet):
    """Filters of the list of reads."""

    study = django_filters.UUIDFilter(field_name="study_id")
    reader = django_filters.UUIDFilter(field_name="reader_id")
    state = django_filters.ChoiceFilter(choices=ReadState.choices)
    stands = django_filters.BooleanFilter(
        method="by_standing", label="Signed and not superseded by an amendment, or the opposite."
    )

    class Meta:
        model = Read
        fields: list[str] = []

    def by_standing(self, reads: QuerySet[Read], name: str, value: bool) -> QuerySet[Read]:
        """Reads that count, or all others: superseded, taken back, drafts."""
        return reads.filter(stands()) if value else reads.exclude(stands())


class ReadEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Read]):
    """Signed reads, and the caller's own drafts."""

    queryset = Read.objects.select_related("reader", "study").prefetch_related(
        "addenda__author", "amendments", "study__identity_corrections__corrected_by"
    )
    serializer_class = ReadSerializer
    filterset_class = ReadFilter
    ordering_fields = ["created_at", "signed_at"]
    ordering = ["-created_at"]
    roles = dict.fromkeys(
        ("list", "retrieve", "addenda", "take_back", "corrections_seen"), (Role.RADIOLOGIST,)
    )

    opens_results = ("list", "retrieve")

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """A serializer that knows for which studies the model's result is withheld."""
        if args:
            reads = args[0] if kwargs.get("many") else [args[0]]
            ids = [read.study_id for read in reads if read.reader_id != self.person.pk]
            withheld = studies_with_withheld_results(
                self.person, ids, is_open=self.results_are_open
            )
            kwargs["context"] = {**self.get_serializer_context(), "withheld": withheld}
        return super().get_serializer(*args, **kwargs)

    def get_queryset(self) -> QuerySet[Read]:
        """No drafts of others, and no first reads of studies that the caller may read second."""
        return super().get_queryset().filter(visible_reads(self.person))

    @extend_schema(request=NewAddendum, responses={201: AddendumSerializer})
    @action(detail=True, methods=["post"])
    def addenda(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sign an addendum to a signed read."""
        given = NewAddendum(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        secret = values.pop("password")
        addendum = addenda.add_addendum(self.get_object(), self.person, secret=secret, **values)
        show_all(request, [addendum])
        return Response(AddendumSerializer(addendum).data, status=201)

    @extend_schema(request=NoBody, responses=ReadSerializer)
    @action(detail=True, methods=["post"], url_path="take-back")
    def take_back(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take one's own signature back within 30 seconds; the answer is the draft.

        409 after that, or if something else was signed on top of it.
        """
        return _answer(request, take_back(self.get_object(), self.person))

    @extend_schema(request=NoBody, responses=ReadSerializer)
    @action(detail=True, methods=["post"], url_path="corrections-seen")
    def corrections_seen(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Acknowledge the corrections of the identity under which the caller signed the read."""
        read = self.get_object()
        take_note(read.study, self.person)
        return _answer(request, read)


def _answer(request: Request, read: Read) -> Response:
    show_all(request, [read])
    return Response(ReadSerializer(read).data)
