"""The caller's notifications."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.api.base import Endpoint, NoBody
from webportal.api.permissions import EVERYONE
from webportal.notifications import listing, services
from webportal.notifications.models import Notification


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """One notification of the caller.

    `kind` says which of the fields name it: `batch_done` the `batch`, `read_overruled` the `study`,
    `identity_corrected` the `correction`, `emergency` and `emergency_overdue` the `emergency`
    access, `system_alert` the `alert`, `roles_requested` and `roles_decided` the `role_user`, whose
    roles they are. `stat_unread`, `studies_assigned`, `studies_signed` and
    `reports_ready` count `studies`. `password_reset`, `factor_added`, `factor_removed` and
    `factor_reset` are about the caller's own account.
    """

    alert = serializers.CharField(
        source="alert.code",
        read_only=True,
        allow_null=True,
        help_text="The code of the problem, such as `no_worker` or `storage_low`.",
    )

    role_user = serializers.UUIDField(
        source="role_request.user_id",
        read_only=True,
        allow_null=True,
        help_text="The user whose roles wait for approval, or were decided on.",
    )

    class Meta:
        model = Notification
        fields = ["id", "kind", "batch", "study", "correction", "emergency", "alert", "role_user"]
        fields += ["studies", "waiting_since", "category", "created_at", "read_at"]


class NotificationFilter(django_filters.FilterSet):
    """Filters of the list of notifications."""

    unread = django_filters.BooleanFilter(field_name="read_at", lookup_expr="isnull")

    class Meta:
        model = Notification
        fields: list[str] = []


class NotificationEndpoint(ListModelMixin, Endpoint[Notification]):
    """The caller's own notifications."""

    queryset = Notification.objects.all()
    serializer_class = NotificationSerializer
    filterset_class = NotificationFilter
    ordering_fields = ["created_at"]
    ordering = ["-created_at"]
    roles = dict.fromkeys(("list", "read"), EVERYONE)

    def get_queryset(self) -> QuerySet[Notification]:
        """The caller's notifications."""
        return listing.notifications_of(self.person)

    @extend_schema(request=NoBody, responses=NotificationSerializer)
    @action(detail=True, methods=["post"])
    def read(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Mark the notification as read."""
        notification = self.get_object()
        services.mark_read(self.person, notification.pk)
        notification.refresh_from_db()
        return Response(self.get_serializer(notification).data)
