"""Token authentication: `Authorization: Token …`."""

from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from webportal.accounts.models import User


class APITokenAuthentication(TokenAuthentication):  # type: ignore[misc]
    """Knox's tokens; one that is no token at all is refused like a wrong one."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, object]:
        """Return the token's user and the token; raises AuthenticationFailed."""
        try:
            user, found = super().authenticate_credentials(token)
        except ValueError as error:
            raise AuthenticationFailed("Invalid token.") from error
        return user, found
