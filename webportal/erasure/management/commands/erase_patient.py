"""`manage.py erase_patient`: list all data of a patient, and erase it."""

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from webportal.erasure import execution, services
from webportal.erasure import plan as plans
from webportal.erasure.messages import KINDS, OBSTACLES, WAITING
from webportal.erasure.models import ErasureState
from webportal.erasure.obstacles import obstacles
from webportal.records.models import Patient


class Command(BaseCommand):
    """Lists the data and prints the code to confirm; erases only with ‘--confirm’."""

    help = "List all data of a patient; with --confirm, erase it permanently."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "patient", type=uuid.UUID, help="The id in the address of the patient’s page."
        )
        parser.add_argument("--confirm", metavar="CODE", help="The code printed below the list.")
        parser.add_argument(
            "--reason", default="", help="Why; kept permanently, so without patient data."
        )
        parser.add_argument("--reference", default="", help="A file number or the like.")

    # The digest must not depend on the user's language.
    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        patient = Patient.objects.filter(pk=options["patient"]).first()
        if patient is None:
            raise CommandError(f"There is no patient {options['patient']}.")
        if not options["confirm"]:
            self._list(patient)
            return
        try:
            erasure = services.confirm_by_command(
                patient.pk, options["confirm"], options["reason"], options["reference"]
            )
        except services.ErasureError as error:
            raise CommandError(str(error)) from error
        erasure = execution.carry_out(erasure)
        if erasure.state != ErasureState.DONE:
            raise CommandError(
                f"Not done yet: {WAITING.get(erasure.waits_for, erasure.waits_for)} The scheduler"
                " continues the erasure."
            )
        self.stdout.write(
            f"Erased, as entry {erasure.entries[-1]} of the audit trail says. The certificate is"
            f" under Erasures: {erasure.pk}"
        )

    def _list(self, patient: Patient) -> None:
        plan = plans.of_patient(patient)
        for code, count in plan.counts.items():
            self.stdout.write(f"{count:>8}  {KINDS.get(code, code)}")
        for key in sorted(plan.files):
            self.stdout.write(f"file: {key}")
        for study in sorted(plan.kept):
            self.stdout.write(f"kept; now another patient’s, formerly under this identity: {study}")
        for key in sorted(plan.unreadable):
            self.stdout.write(f"unreadable, will be kept: {key}")
        found = obstacles(plan)
        for code in found:
            self.stdout.write(f"obstacle: {OBSTACLES[code]}")
        if not found:
            self.stdout.write(f"To erase all of this permanently: --confirm {plan.digest}")
