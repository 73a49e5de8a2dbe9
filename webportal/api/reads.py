"""Reads: the reader's draft of a study, its signature, and addenda."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.base import Endpoint
from webportal.records.models import Study
from webportal.review import reading
from webportal.review.models import Addendum, Decision, OtherFinding, Pneumonia, Read, ReadState


class AddendumSerializer(serializers.ModelSerializer[Addendum]):
    """Signed text added to a signed read."""

    author_name = serializers.CharField(source="author")

    class Meta:
        model = Addendum
        fields = ["id", "author", "author_name", "reason", "text", "signed_at"]


class ReadSerializer(serializers.ModelSerializer[Read]):
    """One radiologist's read of a study."""

    reader_name = serializers.CharField(source="reader")
    other_findings = serializers.ListField(
        child=serializers.ChoiceField(choices=OtherFinding.choices)
    )
    addenda = AddendumSerializer(many=True)

    class Meta:
        model = Read
        fields = [
            "id",
            "study",
            "reader",
            "reader_name",
            "prediction",
            "state",
            "decision",
            "pneumonia",
            "other_findings",
            "comment",
            "created_at",
            "updated_at",
            "signed_at",
            "addenda",
        ]


class EntrySerializer(serializers.Serializer[Any]):
    """What a reader puts down."""

    prediction = serializers.UUIDField(
        allow_null=True, help_text="The result that the reader saw; null when there was none."
    )
    decision = serializers.ChoiceField(choices=Decision.choices, allow_blank=True, default="")
    pneumonia = serializers.ChoiceField(choices=Pneumonia.choices, allow_blank=True, default="")
    other_findings = serializers.ListField(
        child=serializers.ChoiceField(choices=OtherFinding.choices), default=list
    )
    comment = serializers.CharField(max_length=10_000, allow_blank=True, default="")
    images = serializers.IntegerField(
        allow_null=True,
        default=None,
        help_text="How many images the reader saw: signing is refused when another has joined.",
    )

    def entry(self) -> reading.Entry:
        """The entry of a serializer that is valid."""
        given = self.validated_data
        return reading.Entry(
            seen=given["prediction"],
            decision=given["decision"],
            pneumonia=given["pneumonia"],
            other_findings=tuple(given["other_findings"]),
            comment=given["comment"],
            images=given["images"],
        )


class SignatureSerializer(EntrySerializer):
    """A read to be signed; the password signs it, not the token."""

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
    password = serializers.CharField(trim_whitespace=False, write_only=True)


class ReadingEndpoint(Endpoint[Study]):
    """Reading a study."""

    queryset = Study.objects.all()
    filter_backends = []
    roles = dict.fromkeys(("draft", "save_draft", "discard_draft", "sign"), (Role.RADIOLOGIST,))

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
        """Sign a read; signing the same twice changes nothing.

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

    class Meta:
        model = Read
        fields: list[str] = []


class ReadEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Read]):
    """Signed reads, and one's own drafts."""

    queryset = Read.objects.select_related("reader").prefetch_related("addenda__author")
    serializer_class = ReadSerializer
    filterset_class = ReadFilter
    ordering_fields = ["created_at", "signed_at"]
    ordering = ["-created_at"]
    roles = dict.fromkeys(("list", "retrieve", "addenda"), (Role.RADIOLOGIST,))

    def get_queryset(self) -> QuerySet[Read]:
        """Nobody reads the draft of another."""
        own_or_signed = Q(reader=self.person) | Q(state=ReadState.SIGNED)
        return super().get_queryset().filter(own_or_signed)

    @extend_schema(request=NewAddendum, responses={201: AddendumSerializer})
    @action(detail=True, methods=["post"])
    def addenda(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sign a text that adds to a signed read."""
        given = NewAddendum(data=request.data)
        given.is_valid(raise_exception=True)
        addendum = reading.add_addendum(self.get_object(), self.person, **given.validated_data)
        return Response(AddendumSerializer(addendum).data, status=201)
