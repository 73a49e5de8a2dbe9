"""Users: hospital IT adds them, assigns roles and deactivates them."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts import services
from webportal.accounts.departments import set_memberships
from webportal.accounts.models import Department, Role, User
from webportal.api.base import Endpoint, NoBody


class UserSerializer(serializers.ModelSerializer[User]):
    """The account of a person or of another system."""

    roles = serializers.ListField(child=serializers.ChoiceField(choices=Role.choices))
    waiting_roles = serializers.SerializerMethodField(
        help_text="Roles that take effect once another administrator approves them on the page."
    )

    class Meta:
        model = User
        fields = [
            "id",
            "username",
            "full_name",
            "roles",
            "waiting_roles",
            "departments",
            "sees_all_departments",
            "is_active",
            "must_change_password",
            "last_login",
            "created_at",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(Role.choices)))
    def get_waiting_roles(self, user: User) -> list[str]:
        """Those of the request that is open, loaded with the list."""
        return [
            role for each in user.role_requests.all() if not each.outcome for role in each.roles
        ]


class NewUserSerializer(serializers.ModelSerializer[User]):
    """A user to add."""

    roles = serializers.ListField(child=serializers.ChoiceField(choices=Role.choices))

    departments = serializers.PrimaryKeyRelatedField(
        queryset=Department.objects.all(),
        many=True,
        required=False,
        help_text="Whose studies they see; while there is only one department, that one.",
    )

    class Meta:
        model = User
        fields = ["username", "full_name", "roles", "departments"]


class UserChange(serializers.Serializer[User]):
    """Changes to a user; fields that are left out stay as they are."""

    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=Role.choices), required=False
    )
    is_active = serializers.BooleanField(required=False, help_text="Whether they may sign in.")
    departments = serializers.PrimaryKeyRelatedField(
        queryset=Department.objects.all(),
        many=True,
        required=False,
        help_text="Whose studies they see.",
    )
    head_of = serializers.PrimaryKeyRelatedField(
        queryset=Department.objects.all(),
        many=True,
        required=False,
        help_text="Those of their departments of whose emergency accesses they are told.",
    )
    sees_all_departments = serializers.BooleanField(required=False)


class OneTimePassword(serializers.Serializer[Any]):
    """A temporary password, shown once and valid until the user chooses their own."""

    user = UserSerializer()
    one_time_password = serializers.CharField()


class UserEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[User]):
    """Users."""

    queryset = User.objects.filter(is_node=False).prefetch_related("departments", "role_requests")
    serializer_class = UserSerializer
    filterset_fields = ["username", "is_active"]
    ordering_fields = ["username", "created_at", "last_login"]
    ordering = ["username"]
    roles = dict.fromkeys(
        ("list", "retrieve", "create", "partial_update", "reset_password"), (Role.IT,)
    )

    @extend_schema(request=NewUserSerializer, responses={201: OneTimePassword})
    def create(self, request: Request) -> Response:
        """Add a user. Only this answer contains the one-time password; 409 if the name is taken."""
        given = NewUserSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = {"full_name": "", **given.validated_data}
        values["roles"] = sorted(set(values["roles"]))
        user, password = services.create_user(**values, by=self.person)
        return Response(_with_password(user, password), status=201)

    @extend_schema(request=UserChange)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a user's roles, or deactivate them; 409 if that would lock the caller out."""
        user = self.get_object()
        given = UserChange(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        roles = values.get("roles")
        with transaction.atomic():
            # It locks the user, so that what is read afterwards stays as it is.
            services.change_user(
                user,
                roles=None if roles is None else sorted(set(roles)),
                is_active=values.get("is_active"),
                by=self.person,
            )
            user.refresh_from_db()
            members = list(user.memberships.select_related("department"))
            heads = [each.department for each in members if each.is_head]
            set_memberships(
                user,
                self.person,
                departments=values.get("departments", [each.department for each in members]),
                heads=values.get("head_of", heads),
                sees_all=values.get("sees_all_departments", user.sees_all_departments),
            )
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=NoBody, responses=OneTimePassword)
    @action(detail=True, methods=["post"], url_path="reset-password")
    def reset_password(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give a user a new one-time password; their sessions and tokens end. 409 for oneself."""
        user = self.get_object()
        password = services.reset_password(user, self.person)
        return Response(_with_password(user, password))


def _with_password(user: User, password: str) -> dict[str, Any]:
    return OneTimePassword({"user": user, "one_time_password": password}).data
