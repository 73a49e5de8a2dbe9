"""Token authentication: `Authorization: Token …`, or `Bearer …` for DICOMweb."""

from datetime import timedelta

from django.utils import timezone
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from webportal.accounts.directory.people import refresh_when_due
from webportal.accounts.models import ApiToken, User

_USE_NOTED_EVERY = timedelta(minutes=1)


class APITokenAuthentication(TokenAuthentication):  # type: ignore[misc]
    """Knox's token authentication; a malformed token is refused like an unknown one."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        """Return the token's user and the token; raises AuthenticationFailed."""
        try:
            user, found = super().authenticate_credentials(token)
        except ValueError as error:
            raise AuthenticationFailed("Invalid token.") from error
        if not refresh_when_due(user):
            raise AuthenticationFailed("Invalid token.")
        now = timezone.now()
        if found.used_at is None or now - found.used_at > _USE_NOTED_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(used_at=now)
        return user, found

    def _cleanup_token(self, auth_token: ApiToken) -> bool:
        """Whether the token has expired.

        Knox would also read all other tokens of the user at each request, to delete those that have
        expired; `create_token` does that.
        """
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()


class BearerAuthentication(APITokenAuthentication):
    """The same token as either `Token …` or `Bearer …`, which is all that some viewers can send."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the token's user and the token, None where none is sent."""
        prefix, _, token = request.headers.get("Authorization", "").partition(" ")
        if prefix.lower() != "bearer":
            found: tuple[User, ApiToken] | None = super().authenticate(request)
            return found
        try:
            return self.authenticate_credentials(token.strip().encode())
        except UnicodeError as error:
            raise AuthenticationFailed("Invalid token.") from error
