"""The DICOM network: nodes, and received instances. No patient is named."""

from typing import Any

import django_filters
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Department, Role
from webportal.api.base import Endpoint, NoBody
from webportal.network import inbox, nodes, unrecorded
from webportal.network.models import InboxState, Node, ReceivedInstance

_OF_TLS = ("uses_tls", "certificate_name")
_TLS = "Whether Chestline calls it by TLS."
_CERTIFICATE_NAME = "The name in its certificate, if that is not for the address."


class NodeSerializer(serializers.ModelSerializer[Node]):
    """A modality, PACS or worklist."""

    is_worklist = serializers.BooleanField(
        read_only=True, help_text="Whether it is asked for orders (Modality Worklist)."
    )

    class Meta:
        model = Node
        fields = [
            "id",
            "ae_title",
            "description",
            "addresses",
            "port",
            "uses_tls",
            "certificate_name",
            "department",
            "is_active",
            "is_worklist",
            "created_by",
            "created_at",
        ]


class NewNode(serializers.Serializer[Any]):
    """The node to add."""

    ae_title = serializers.CharField(max_length=16)
    description = serializers.CharField(max_length=100, allow_blank=True, default="")
    addresses = serializers.ListField(
        child=serializers.CharField(max_length=50),
        min_length=1,
        max_length=50,
        help_text="IP addresses, or networks such as 192.168.10.0/24.",
    )
    port = serializers.IntegerField(
        min_value=1, max_value=65535, allow_null=True, default=None, help_text="If it listens."
    )
    uses_tls = serializers.BooleanField(default=False, help_text=_TLS)
    certificate_name = serializers.CharField(
        max_length=253, allow_blank=True, default="", help_text=_CERTIFICATE_NAME
    )
    department = serializers.PrimaryKeyRelatedField(
        queryset=Department.objects.all(),
        required=False,
        help_text="To which new studies from it belong; may be left out while there is only one.",
    )
    is_active = serializers.BooleanField(default=True, help_text="Whether it may send.")
    is_worklist = serializers.BooleanField(
        default=False, help_text="Whether to ask it for orders; it needs a port then."
    )


class NodeChange(serializers.Serializer[Any]):
    """The changes; omitted fields stay as they are."""

    description = serializers.CharField(max_length=100, allow_blank=True, required=False)
    addresses = serializers.ListField(
        child=serializers.CharField(max_length=50), min_length=1, max_length=50, required=False
    )
    port = serializers.IntegerField(min_value=1, max_value=65535, allow_null=True, required=False)
    uses_tls = serializers.BooleanField(required=False, help_text=_TLS)
    certificate_name = serializers.CharField(
        max_length=253, allow_blank=True, required=False, help_text=_CERTIFICATE_NAME
    )
    is_active = serializers.BooleanField(required=False, help_text="Whether it may send.")
    is_worklist = serializers.BooleanField(
        required=False, help_text="Whether to ask it for orders; it needs a port then."
    )
    department = serializers.PrimaryKeyRelatedField(
        queryset=Department.objects.all(), required=False
    )


class EchoAnswer(serializers.Serializer[Any]):
    """The outcome of a C-ECHO."""

    answered = serializers.BooleanField()
    message = serializers.CharField()


class NodeEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Node]):
    """Nodes of the DICOM network."""

    queryset = Node.objects.select_related("order_source")
    serializer_class = NodeSerializer
    filterset_fields = ["ae_title", "is_active"]
    ordering_fields = ["ae_title", "created_at"]
    ordering = ["ae_title"]
    roles = dict.fromkeys(("list", "retrieve", "create", "partial_update", "echo"), (Role.IT,))

    @extend_schema(request=NewNode, responses={201: NodeSerializer})
    def create(self, request: Request) -> Response:
        """Add a node; 409 if the AE title is taken, or an address is invalid."""
        given = NewNode(data=request.data)
        given.is_valid(raise_exception=True)
        node = nodes.create_node(**given.validated_data, by=self.person)
        return Response(self.get_serializer(node).data, status=201)

    @extend_schema(request=NodeChange)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a node, or deactivate it."""
        node = self.get_object()
        given = NodeChange(data=request.data)
        given.is_valid(raise_exception=True)
        kept = ("description", "addresses", "port", "is_active", "is_worklist", *_OF_TLS)
        now = {name: getattr(node, name) for name in kept}
        changed = nodes.change_node(node, **now | given.validated_data, by=self.person)
        return Response(self.get_serializer(changed).data)

    @extend_schema(request=NoBody, responses=EchoAnswer)
    @action(detail=True, methods=["post"])
    def echo(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send the node a C-ECHO."""
        # Here, because pynetdicom would take 6 MB of every portal's memory.
        from webportal.network import echo

        answered, words = echo.echo(self.get_object(), self.person)
        return Response({"answered": answered, "message": words})


class ReceivedSerializer(serializers.ModelSerializer[ReceivedInstance]):
    """A received instance; `item` is its file in the batch, once it is imported."""

    reason = serializers.SerializerMethodField()

    class Meta:
        model = ReceivedInstance
        fields = [
            "id",
            "node",
            "address",
            "study_instance_uid",
            "sop_instance_uid",
            "sop_class_uid",
            "transfer_syntax_uid",
            "sha256",
            "size",
            "state",
            "reason_code",
            "reason",
            "times_received",
            "batch",
            "item",
            "first_received_at",
            "received_at",
            "settled_at",
        ]

    def get_reason(self, row: ReceivedInstance) -> str:
        """The reason in English; '' if there is none."""
        return row.reason.english if row.reason else ""


class AdoptionSerializer(serializers.Serializer[Any]):
    """Which node sent a file that the inbox had without a record."""

    node = serializers.PrimaryKeyRelatedField(queryset=Node.objects.all())


class ReceivedFilter(django_filters.FilterSet):
    """Filters of the list of received instances."""

    node = django_filters.UUIDFilter(field_name="node_id")
    state = django_filters.ChoiceFilter(choices=InboxState.choices)
    sop_instance_uid = django_filters.CharFilter()
    study_instance_uid = django_filters.CharFilter()

    class Meta:
        model = ReceivedInstance
        fields: list[str] = []


class ReceivedEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[ReceivedInstance]):
    """The inbox of the DICOM network."""

    queryset = ReceivedInstance.objects.select_related("item")
    serializer_class = ReceivedSerializer
    filterset_class = ReceivedFilter
    ordering_fields = ["received_at"]
    ordering = ["-received_at"]
    roles = dict.fromkeys(("list", "retrieve", "adopt", "retry", "discard"), (Role.IT,))

    @extend_schema(request=AdoptionSerializer, responses=ReceivedSerializer)
    @action(detail=True, methods=["post"])
    def adopt(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Import a file that the inbox had without a record; 409 in any state but `found`."""
        given = AdoptionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        rows = ReceivedInstance.objects.filter(pk=self.get_object().pk)
        if not unrecorded.adopt(rows, given.validated_data["node"], self.person):
            raise inbox.InboxError(_("The sender of this instance is known."))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=NoBody)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Queue a refused instance for another attempt; 409 in any other state."""
        inbox.retry(self.get_object(), self.person)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=NoBody)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Permanently discard an instance refused, set aside or found; 409 in any other state."""
        inbox.discard(self.get_object(), self.person)
        return Response(self.get_serializer(self.get_object()).data)
