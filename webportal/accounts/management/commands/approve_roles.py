"""`manage.py approve_roles`: approve roles where no second administrator can."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webportal.accounts import approval
from webportal.accounts.models import RoleRequest, User
from webportal.accounts.services import AccountError


class Command(BaseCommand):
    """Lists the roles that wait for approval, or approves those of one user."""

    help = "List the roles that wait for approval; with a user name, approve that user's."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help="Whose roles to approve.")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        if not name:
            self._list()
            return
        user = User.objects.filter(username__iexact=name).first()
        if user is None:
            raise CommandError(f"There is no user {name}.")
        try:
            roles = approval.approve_by_command(user)
        except AccountError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Approved for {user.username}: {', '.join(roles)}")

    def _list(self) -> None:
        for each in RoleRequest.objects.filter(outcome="").select_related("user", "requested_by"):
            roles = ", ".join(each.roles)
            self.stdout.write(f"{each.user.username}: {roles} (given by {each.requested_by})")
