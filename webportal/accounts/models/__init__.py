"""Users, their roles, and how they sign in."""

from webportal.accounts.models.role_requests import RequestOutcome, RoleRequest
from webportal.accounts.models.sign_in import (
    ApiToken,
    Authenticator,
    FederatedIdentity,
    KnownDevice,
    Passkey,
    PasswordAttempt,
    RecoveryCode,
    Session,
    TokenScope,
    UsedLogoutToken,
)
from webportal.accounts.models.users import (
    GENERAL,
    Department,
    Membership,
    Role,
    User,
    UserManager,
)

__all__ = [
    "GENERAL",
    "ApiToken",
    "Authenticator",
    "Department",
    "FederatedIdentity",
    "KnownDevice",
    "Membership",
    "Passkey",
    "PasswordAttempt",
    "RecoveryCode",
    "RequestOutcome",
    "Role",
    "RoleRequest",
    "Session",
    "TokenScope",
    "UsedLogoutToken",
    "User",
    "UserManager",
]
