"""Reads: the reader's draft of a study, its signature, and addenda."""

import uuid
from datetime import datetime
from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.base import Endpoint, NoBody
from webportal.records.models import IdentityCorrection, Study
from webportal.review import addenda, reading, reservation
from webportal.review.blinding import visible_reads
from webportal.review.corrections import corrections_of, take_note
from webportal.review.marks import MARKED_FINDINGS, MOST_MARKS, Mark
from webportal.review.models import (
    Addendum,
    Decision,
    OtherFinding,
    Pneumonia,
    Read,
    ReadKind,
    ReadState,
    Reservation,
    TextTemplate,
    Zone,
)
from webportal.review.reading_panel import templates_of
from webportal.review.standing import final_at, stands
from webportal.review.taking_back import take_back


class AddendumSerializer(serializers.ModelSerializer[Addendum]):
    """Signed text added to a signed read."""

    author_name = serializers.CharField(source="author")

    class Meta:
        model = Addendum
        fields = ["id", "author", "author_name", "reason", "text", "signed_at"]


class MarkSerializer(serializers.Serializer[Any]):
    """A place on an image, in pixels of the stored image from its upper left corner on."""

    radiograph = serializers.UUIDField(help_text="The image, one of the study's.")
    finding = serializers.ChoiceField(
        choices=MARKED_FINDINGS, help_text="`pneumonia`, or one of `other_findings`."
    )
    column = serializers.IntegerField(min_value=0, help_text="Counted from 0, from the left.")
    row = serializers.IntegerField(min_value=0, help_text="Counted from 0, from the top.")
    width = serializers.IntegerField(
        min_value=0, default=0, help_text="Of a box, in pixels; a point has 0 for both."
    )
    height = serializers.IntegerField(min_value=0, default=0)


class IdentityOfRead(serializers.Serializer[Any]):
    """Who a patient is, as it is recorded with a signature; '' for what is not known."""

    patient = serializers.UUIDField()
    patient_id = serializers.CharField()
    issuer = serializers.CharField()
    name = serializers.CharField(help_text="In DICOM's form, FAMILY^Given.")
    birth_date = serializers.CharField(help_text="ISO 8601.")
    sex = serializers.CharField()


class IdentityCorrectionSerializer(serializers.ModelSerializer[IdentityCorrection]):
    """That the patient's identity was corrected after the read was signed."""

    before = IdentityOfRead()
    after = IdentityOfRead()
    corrected_by_name = serializers.CharField(source="corrected_by")

    class Meta:
        model = IdentityCorrection
        fields = ["id", "at", "corrected_by", "corrected_by_name", "reason", "before", "after"]


class ReadSerializer(serializers.ModelSerializer[Read]):
    """One radiologist's read of a study."""

    reader_name = serializers.CharField(source="reader")
    zones = serializers.ListField(child=serializers.ChoiceField(choices=Zone.choices))
    other_findings = serializers.ListField(
        child=serializers.ChoiceField(choices=OtherFinding.choices)
    )
    marks = MarkSerializer(many=True)
    superseded_by = serializers.SerializerMethodField(
        help_text="The signed amendment that counts in its place, or that was amended in turn."
    )
    final_at = serializers.SerializerMethodField(
        help_text="Until then its reader may take the signature back; null for a draft."
    )
    addenda = AddendumSerializer(many=True)
    identity_corrections = serializers.SerializerMethodField(
        help_text="The read was signed under `before` of the first; `after` of the last is what the"
        " patient is recorded as now."
    )

    class Meta:
        model = Read
        fields = [
            "id",
            "study",
            "reader",
            "reader_name",
            "prediction",
            "state",
            "kind",
            "decision",
            "pneumonia",
            "zones",
            "other_findings",
            "marks",
            "comment",
            "created_at",
            "updated_at",
            "signed_at",
            "amends",
            "revision",
            "reason",
            "superseded_by",
            "final_at",
            "addenda",
            "identity_corrections",
        ]

    def get_superseded_by(self, read: Read) -> uuid.UUID | None:
        """The amendment's id."""
        signed = [each for each in read.amendments.all() if each.state == ReadState.SIGNED]
        return signed[0].pk if signed else None

    def get_final_at(self, read: Read) -> datetime | None:
        """The end of the period after the signature."""
        return final_at(read)

    @extend_schema_field(IdentityCorrectionSerializer(many=True))
    def get_identity_corrections(self, read: Read) -> Any:
        """Those made since it was signed."""
        return IdentityCorrectionSerializer(corrections_of(read), many=True).data


class EntrySerializer(serializers.Serializer[Any]):
    """What a reader puts down."""

    prediction = serializers.UUIDField(
        allow_null=True, help_text="The result that the reader saw; null when there was none."
    )
    decision = serializers.ChoiceField(choices=Decision.choices, allow_blank=True, default="")
    pneumonia = serializers.ChoiceField(choices=Pneumonia.choices, allow_blank=True, default="")
    zones = serializers.ListField(
        child=serializers.ChoiceField(choices=Zone.choices),
        default=list,
        help_text="Where the pneumonia is, from the patient's side.",
    )
    other_findings = serializers.ListField(
        child=serializers.ChoiceField(choices=OtherFinding.choices), default=list
    )
    marks = serializers.ListField(
        child=MarkSerializer(),
        default=list,
        max_length=MOST_MARKS,
        help_text="Where findings are on the images; to be signed each must be of a finding of the"
        " read.",
    )
    comment = serializers.CharField(max_length=10_000, allow_blank=True, default="")
    images = serializers.IntegerField(
        allow_null=True,
        default=None,
        help_text="How many images the reader saw: signing is refused when another has joined.",
    )
    kind = serializers.ChoiceField(
        choices=ReadKind.choices,
        allow_null=True,
        default=None,
        help_text="The read that was asked for: signing is refused when another is due by now.",
    )
    despite_reservation = serializers.BooleanField(
        default=False, help_text="Sign although another reader has the study in hand."
    )
    amends = serializers.UUIDField(
        allow_null=True,
        default=None,
        help_text="One's own signed read of this study that this one is to take the place of.",
    )
    reason = serializers.CharField(
        max_length=200, allow_blank=True, default="", help_text="Why; an amendment needs one."
    )

    identity = serializers.CharField(
        default="",
        allow_blank=True,
        help_text="`identity` of the study as the reader saw it. Signing is refused when the"
        " patient's data, or the patient, are others by now.",
    )

    def entry(self) -> reading.Entry:
        """The entry of a serializer that is valid."""
        given = self.validated_data
        return reading.Entry(
            seen=given["prediction"],
            decision=given["decision"],
            pneumonia=given["pneumonia"],
            zones=tuple(given["zones"]),
            other_findings=tuple(given["other_findings"]),
            marks=tuple(Mark(**mark) for mark in given["marks"]),
            comment=given["comment"],
            images=given["images"],
            kind=given["kind"],
            despite_reservation=given["despite_reservation"],
            amends=given["amends"],
            reason=given["reason"],
            identity=given["identity"],
        )


class SignatureSerializer(EntrySerializer):
    """A read to be signed; the password signs it, not the token."""

    identity = serializers.CharField(
        help_text="`identity` of the study as the reader saw it: signing is refused when the"
        " patient's data, or the patient, are others by now."
    )
    password = serializers.CharField(trim_whitespace=False, write_only=True)


class NewAddendum(serializers.Serializer[Any]):
    """An addendum to be signed."""

    reason = serializers.CharField(max_length=200)
    text = serializers.CharField(max_length=10_000)
    images = serializers.IntegerField(
        allow_null=True,
        default=None,
        help_text="How many images the author saw; needed to close a study that an image joined"
        " after the signature.",
    )
    identity = serializers.CharField(
        help_text="`identity` of the study as the author saw it: signing is refused when the"
        " patient's data, or the patient, are others by now."
    )
    despite_unseen = serializers.BooleanField(
        default=False,
        help_text="Close the study although an image was never displayed to the author, because"
        " it cannot be; the text says so.",
    )
    password = serializers.CharField(trim_whitespace=False, write_only=True)


class ReservationSerializer(serializers.ModelSerializer[Reservation]):
    """Who has a study in hand, and until when if nothing renews it."""

    reader_name = serializers.CharField(source="reader")

    class Meta:
        model = Reservation
        fields = ["study", "reader", "reader_name", "reserved_at", "expires_at"]


class TakeNext(serializers.Serializer[Any]):
    """Which study to leave unread, if any."""

    after = serializers.UUIDField(
        allow_null=True,
        default=None,
        help_text="A study to give back; the next one below it on the worklist is taken.",
    )


class TextTemplateSerializer(serializers.ModelSerializer[TextTemplate]):
    """A text for the impression."""

    is_shared = serializers.SerializerMethodField()

    class Meta:
        model = TextTemplate
        fields = ["id", "key", "name", "text", "is_shared"]

    def get_is_shared(self, template: TextTemplate) -> bool:
        """Whether all radiologists have it."""
        return template.owner_id is None


class TextTemplateEndpoint(Endpoint[TextTemplate]):
    """The texts that the caller can put into an impression; they are edited in the portal."""

    queryset = TextTemplate.objects.all()
    serializer_class = TextTemplateSerializer
    filter_backends = []
    pagination_class = None
    roles = {"list": (Role.RADIOLOGIST,)}

    @extend_schema(responses=TextTemplateSerializer(many=True))
    def list(self, request: Request) -> Response:
        """One text for each key; one's own stands before a shared one."""
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
        """Reserve the most urgent study that one may read; 204 when there is none."""
        given = TakeNext(data=request.data)
        given.is_valid(raise_exception=True)
        left = Study.objects.filter(pk=given.validated_data["after"]).first()
        taken = reservation.reserve_next(self.person, left)
        if taken is None:
            return Response(status=204)
        return Response(ReservationSerializer(reservation.reservation_of(taken)).data)

    @extend_schema(request=NoBody, responses=ReservationSerializer)
    @action(detail=True, methods=["put"])
    def reservation(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Reserve a study, or renew that; the answer names another who has it in hand."""
        present = reservation.reserve(self.get_object(), self.person)
        return Response(ReservationSerializer(present).data)

    @extend_schema(request=None, responses={204: None})
    @reservation.mapping.delete
    def give_back(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give one's own reservation back."""
        reservation.give_back(self.get_object(), self.person)
        return Response(status=204)

    @extend_schema(responses=ReadSerializer)
    @action(detail=True)
    def draft(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One's own draft; 404 when there is none."""
        drafts = Read.objects.filter(reader=self.person, state=ReadState.DRAFT)
        draft = drafts.filter(study=self.get_object()).first()
        if draft is None:
            raise NotFound("You have no draft of this study.")
        return Response(ReadSerializer(draft).data)

    @extend_schema(request=EntrySerializer, responses=ReadSerializer)
    @draft.mapping.put
    def save_draft(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Keep what the reader has put down so far; it may be incomplete."""
        given = EntrySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        read = reading.save_draft(self.get_object(), self.person, given.entry())
        return Response(ReadSerializer(read).data)

    @extend_schema(request=None, responses={204: None})
    @draft.mapping.delete
    def discard_draft(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Throw one's own draft away."""
        reading.discard_draft(self.get_object(), self.person)
        return Response(status=204)

    @extend_schema(request=SignatureSerializer, responses=ReadSerializer)
    @action(detail=True, methods=["post"])
    def sign(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sign a read, or an amendment of one's own; signing the same twice changes nothing.

        403 when the password is wrong, 409 when another result or another signature came in
        between: the read is kept as a draft then.
        """
        given = SignatureSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        password = given.validated_data["password"]
        read = reading.sign(self.get_object(), self.person, given.entry(), password)
        return Response(ReadSerializer(read).data)


class ReadFilter(django_filters.FilterSet):
    """What reads can be narrowed by."""

    study = django_filters.UUIDFilter(field_name="study_id")
    reader = django_filters.UUIDFilter(field_name="reader_id")
    state = django_filters.ChoiceFilter(choices=ReadState.choices)
    stands = django_filters.BooleanFilter(
        method="by_standing", label="Signed and superseded by no amendment, or not."
    )

    class Meta:
        model = Read
        fields: list[str] = []

    def by_standing(self, reads: QuerySet[Read], name: str, value: bool) -> QuerySet[Read]:
        """Those that count, or the others: superseded, taken back, drafts."""
        return reads.filter(stands()) if value else reads.exclude(stands())


class ReadEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Read]):
    """Signed reads, and one's own drafts."""

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

    def get_queryset(self) -> QuerySet[Read]:
        """Nobody reads the draft of another, nor the first read of what they may read second."""
        return super().get_queryset().filter(visible_reads(self.person))

    @extend_schema(request=NewAddendum, responses={201: AddendumSerializer})
    @action(detail=True, methods=["post"])
    def addenda(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sign a text that adds to a signed read."""
        given = NewAddendum(data=request.data)
        given.is_valid(raise_exception=True)
        addendum = addenda.add_addendum(self.get_object(), self.person, **given.validated_data)
        return Response(AddendumSerializer(addendum).data, status=201)

    @extend_schema(request=NoBody, responses=ReadSerializer)
    @action(detail=True, methods=["post"], url_path="take-back")
    def take_back(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take one's own signature back within 30 seconds; the answer is the draft it is again.

        409 when that is over, or when something else was signed on top of it.
        """
        return Response(ReadSerializer(take_back(self.get_object(), self.person)).data)

    @extend_schema(request=NoBody, responses=ReadSerializer)
    @action(detail=True, methods=["post"], url_path="corrections-seen")
    def corrections_seen(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Note that the caller has seen how the identity of their read was corrected."""
        read = self.get_object()
        take_note(read.study, self.person)
        return Response(ReadSerializer(read).data)
