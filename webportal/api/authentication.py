"""Token authentication: `Authorization: Token …`, or `Bearer …` for DICOMweb."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache

from django.utils import timezone
from django.utils.crypto import constant_time_compare
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from webportal.accounts.directory.people import refresh_when_due
from webportal.accounts.models import ApiToken, User

_USE_NOTED_EVERY = timedelta(minutes=1)


class APITokenAuthentication(TokenAuthentication):  # type: ignore[misc]
    """Knox's token authentication; a malformed or expired token is refused like an unknown one."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        """Return the token's user and the token; raises AuthenticationFailed.

        Knox would also read all other tokens of the user at each request, to delete those that have
        expired; `create_token` does that.
        """
        found = _valid_token(token)
        if found is None:
            raise AuthenticationFailed("Invalid token.")
        user, _ = self.validate_user(found)
        if not refresh_when_due(user):
            raise AuthenticationFailed("Invalid token.")
        now = timezone.now()
        if found.used_at is None or now - found.used_at > _USE_NOTED_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(used_at=now)
        return user, found


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


def _valid_token(token: bytes) -> ApiToken | None:
    try:
        text = token.decode()
        digest = hash_token(text)
        found = list(_candidates(text))
    except ValueError:  # not UTF-8, or a NUL, which PostgreSQL does not accept
        return None
    return next((each for each in found if constant_time_compare(digest, each.digest)), None)


def _candidates(text: str) -> Iterator[ApiToken]:
    """The valid tokens that begin like this one, each with its user."""
    query, names = _query()
    beginning, now = text[: CONSTANTS.TOKEN_KEY_LENGTH], timezone.now()
    for user in User.objects.raw(query, [beginning, now]):
        values = [getattr(user, f"token_{name}") for name in names]
        token: ApiToken = ApiToken.from_db(user._state.db, names, values)
        token.user = user
        yield token


@cache
def _query() -> tuple[str, list[str]]:
    """The statement that finds tokens, and the names of their fields in it, after `token_`.

    In SQL, because every request of a program asks for it, and composing it took longer than
    running it.
    """
    names = [field.attname for field in ApiToken._meta.concrete_fields]
    of_token = ", ".join(f"token.{name} AS token_{name}" for name in names)
    tokens, users = ApiToken._meta.db_table, User._meta.db_table
    query = (
        f"SELECT person.*, {of_token} FROM {tokens} AS token"  # noqa: S608
        f" JOIN {users} AS person ON person.id = token.user_id"
        " WHERE token.token_key = %s AND (token.expiry IS NULL OR token.expiry >= %s)"
    )
    return query, names
