"""App configuration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts."""

    name = "webportal.accounts"
    label = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Connect the sign-in signals to the audit trail, and register the system checks."""
        from webportal.accounts import checks, signals  # noqa: F401
