"""Sessions, API tokens, second factors and identities: how users sign in."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from webportal.accounts.models.users import User


class Session(AbstractBaseSession):
    """A session with its user; see webportal.accounts.sessions."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    provider_sid = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_index=True,
        help_text="What the identity provider calls the session in which this one began.",
    )
    used_at = models.DateTimeField(
        db_default=Now(), help_text="When a person last used it, to within half a minute."
    )
    locked_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when it is locked; empty while it is open."
    )
    unlocked_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last unlocked."
    )

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Save the data of the store; an existing row keeps the times noted beside them.

        The store saves what it read when the request began. A lock set meanwhile has to stay.
        """
        if options.get("force_update") and update_fields is None:
            update_fields = ("session_data", "expire_date", "user", "provider_sid")
        super().save(update_fields=update_fields, **options)

    @classmethod
    def get_session_store_class(cls) -> type[Any]:
        """The session store of this table."""
        from webportal.accounts.sessions import SessionStore

        return SessionStore


class TokenScope(models.TextChoices):
    """The part of its owner's permissions that a token has."""

    READ = "read", _("Read only")
    UPLOAD = "upload", _("Upload only")
    ALL = "all", _("Everything you are allowed to do")


class ApiToken(AbstractAuthToken):  # type: ignore[misc]
    """A token for a program, with its owner's permissions or fewer; stored as a digest."""

    name = models.CharField(max_length=100, help_text="What uses it.")
    used_at = models.DateTimeField(null=True, blank=True)
    scope = models.CharField(
        max_length=10,
        choices=TokenScope.choices,
        default=TokenScope.ALL,
        # The migration that moves existing tokens names its own columns.
        db_default=TokenScope.ALL,
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scope__in=TokenScope.values), name="api_token_scope_known"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="api_token_has_name"),
            models.CheckConstraint(condition=Q(expiry__isnull=False), name="api_token_expires"),
        ]


class PasswordAttempt(models.Model):
    """A recent failed password attempt; see webportal.accounts.throttle."""

    name_digest = models.CharField(max_length=64, db_index=True)
    key_digest = models.CharField(
        max_length=64, help_text="What it counts for: a name, an address, or both together."
    )
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["key_digest", "at"], name="password_attempts")]

    def __str__(self) -> str:
        return f"Attempt {self.at}"


class KnownDevice(models.Model):
    """A browser in which a user has signed in; see webportal.accounts.devices."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    device_digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "device_digest"], name="one_row_a_device")
        ]

    def __str__(self) -> str:
        return f"Device of {self.user}"


class Authenticator(models.Model):
    """A user's authenticator app (TOTP, RFC 6238); see webportal.accounts.codes."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="authenticator"
    )
    secret = models.TextField(help_text="Encrypted; see webportal.accounts.encryption.")
    last_step = models.BigIntegerField(
        default=0, help_text="The period of the last code that was used: none is good twice."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Authenticator app of {self.user}"


class RecoveryCode(models.Model):
    """A single-use code for users who have lost everything else; stored as a keyed hash."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="one_row_a_recovery_code")
        ]

    def __str__(self) -> str:
        return f"Recovery code of {self.user}"


class Passkey(models.Model):
    """A user's passkey (WebAuthn); see webportal.accounts.passkeys."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=60)
    credential_id = models.BinaryField(unique=True)
    credential = models.BinaryField(help_text="Attested credential data, with the public key.")
    sign_count = models.PositiveBigIntegerField(default=0)
    domain = models.CharField(
        max_length=253, help_text="The host name for which the browser made it, and no other."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="passkey_has_name"),
        ]

    def __str__(self) -> str:
        return self.name


class FederatedIdentity(models.Model):
    """A user's identity at the identity provider or in the directory; see accounts.federation."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="federated_identity"
    )
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    refresh_at = models.DateTimeField(
        null=True, blank=True, help_text="When to ask the directory again; no provider is."
    )
    confirmed_at = models.DateTimeField(
        db_default=Now(), help_text="When provider or directory last gave the user's groups."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_person_a_subject")
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.issuer}"


class UsedLogoutToken(models.Model):
    """A logout token, or a SAML assertion or logout request, that was used.

    Kept until it has expired; see webportal.accounts.provider_sessions.
    """

    jti = models.CharField(max_length=255, primary_key=True)
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.jti
