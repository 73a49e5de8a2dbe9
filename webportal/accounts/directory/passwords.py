"""Whether a password is correct, wherever it is kept: here, or in the hospital's directory."""

from django.conf import settings

from webportal.accounts.directory import connection
from webportal.accounts.models import FederatedIdentity, User
from webportal.accounts.turns import BusyError

#: `FederatedIdentity.issuer` of directory users, whatever the directory's address.
ISSUER = "ldap"


def is_of_directory(user: User) -> bool:
    """Whether the user's password is in the directory."""
    if not settings.LDAP_URL:
        return False
    try:
        return user.federated_identity.issuer == ISSUER
    except FederatedIdentity.DoesNotExist:
        return False


def is_right(user: User, password: str) -> bool:
    """Whether the password is this user's; raises DirectoryUnreachableError."""
    if not is_of_directory(user):
        return user.check_password(password)
    try:
        with connection.turns.take():
            entry = connection.entry_of(user.federated_identity.subject, user.username)
            return entry is not None and connection.is_password(entry, password)
    except BusyError as error:
        raise connection.DirectoryUnreachableError from error
