"""API tokens: issued for a user name and password, listed and revoked by their owner."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts import second_factor, services, sign_in
from webportal.accounts.models import ApiToken, TokenScope, User
from webportal.api.base import Endpoint
from webportal.api.permissions import (
    EVERYONE,
    ByRole,
    PasswordChangeRequired,
    SecondFactorRequired,
)


class Credentials(serializers.Serializer[Any]):
    """User name and password, with the name and lifetime of the token."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(trim_whitespace=False, write_only=True)
    code = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=20,
        write_only=True,
        help_text="A code of the authenticator app or a recovery code, of those who have one.",
    )
    name = serializers.CharField(max_length=100, help_text="What uses the token.")
    days = serializers.IntegerField(
        default=services.USUAL_TOKEN_DAYS,
        min_value=1,
        help_text="How long it is valid; hospital IT may have set a lower limit.",
    )
    scope = serializers.ChoiceField(
        choices=TokenScope.choices,
        default=TokenScope.ALL,
        help_text="What it may do of what its owner may do.",
    )


class NewToken(serializers.Serializer[Any]):
    """A new token, shown only once."""

    token = serializers.CharField(help_text="Send it as `Authorization: Token …`.")


class Token(serializers.ModelSerializer[Any]):
    """Description of a token, without the token itself."""

    key = serializers.CharField(source="token_key", help_text="The first characters of the token.")

    class Meta:
        model = ApiToken
        fields = ["key", "name", "created", "expiry", "used_at", "scope"]


class TokenEndpoint(ListModelMixin, Endpoint[Any]):
    """The caller's own tokens."""

    serializer_class = Token
    lookup_field = "key"
    lookup_value_converter = "str"
    filter_backends = []
    roles = {"list": EVERYONE, "destroy": EVERYONE}

    def get_permissions(self) -> list[BasePermission]:
        """Creating a token needs no token, because its caller is not signed in yet."""
        return [AllowAny()] if self.action == "create" else [ByRole()]

    def get_queryset(self) -> QuerySet[Any]:
        """The caller's own tokens."""
        own: QuerySet[Any] = ApiToken.objects.filter(user=self.person)
        return own.order_by("-created", "digest")

    @extend_schema(request=Credentials, responses={201: NewToken}, auth=[])
    def create(self, request: Request) -> Response:
        """Create a token with user name and password. Open to everyone who has them.

        Users with a second factor send a `code`; those who only have passkeys create tokens in the
        portal. 403 `second_factor_required` without a code, 429 after too many wrong ones.
        409 `conflict` if the user already has the maximum number of tokens. Changing the password
        revokes all of them.
        """
        given = Credentials(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        name, days, code = values.pop("name"), values.pop("days"), values.pop("code")
        scope = values.pop("scope")
        user = authenticate(request, **values)
        if not isinstance(user, User):
            raise AuthenticationFailed("User name or password is wrong.")
        if user.must_change_password:
            raise PasswordChangeRequired
        _check_second_factor(request, user, code)
        user_logged_in.send(sender=User, request=request, user=user)
        return Response({"token": services.create_token(user, name, days, scope)}, status=201)

    def destroy(self, request: Request, key: str) -> Response:
        """Revoke one of one's own tokens."""
        token = get_object_or_404(self.get_queryset(), token_key=key)
        services.revoke_token(token, self.person)
        return Response(status=204)


def _check_second_factor(request: Request, user: User, code: str) -> None:
    if second_factor.is_missing(user):
        raise SecondFactorRequired
    if not second_factor.has_one(user):
        return
    if not code:
        raise PermissionDenied(
            "Send a code of the second factor too, or create the token in the portal.",
            code="second_factor_required",
        )
    try:
        second_factor.use_code(request, user, code)
    except services.AccountError as error:
        sign_in.record_wrong_factor(request, user, "code")
        raise AuthenticationFailed(str(error)) from error
