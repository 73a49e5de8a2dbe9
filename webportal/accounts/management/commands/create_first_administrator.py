"""`manage.py create_first_administrator`: the first user of an installation."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.accounts.models import Role, User
from webportal.accounts.services import create_user


class Command(BaseCommand):
    """Create `admin` with every role and print the one-time password; nothing if users exist."""

    help = "Create the first administrator if no user exists yet."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.exists():
            return
        user, password = create_user("admin", "First administrator", list(Role.values), by=None)
        self.stdout.write("")
        self.stdout.write("  Sign in with this name and one-time password (shown only now):")
        self.stdout.write(f"    user name  {user.username}")
        self.stdout.write(f"    password   {password}")
        self.stdout.write("")
