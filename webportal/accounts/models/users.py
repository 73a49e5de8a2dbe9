"""Users, their roles and their departments."""

import uuid
from collections.abc import Sequence

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.labels import label_of

#: The department of an installation that had none; also the first one of a new installation.
GENERAL = uuid.UUID("6d1f3c5e-2b0a-4a53-9d5e-6a1c6f6e0001")


class Role(models.TextChoices):
    """A role; a user may hold several."""

    UPLOADER = "uploader", _("Uploader")
    RADIOLOGIST = "radiologist", _("Radiologist")
    IT = "it", _("Hospital IT")
    AUDITOR = "auditor", _("Auditor")
    # In addition to Radiologist: changes priorities for everyone, see webportal.review.worklist.
    COORDINATOR = "coordinator", _("Worklist coordinator")
    # Opens the reports of studies they referred, and nothing else about a patient.
    REFERRER = "referrer", _("Referring clinician")
    # Has de-identified studies exported, see webportal.research, and is shown no patient.
    RESEARCHER = "researcher", _("Researcher")


class Department(models.Model):
    """A part of the hospital; each study belongs to one, see webportal.records.visibility."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="department_name_whatever_case"),
            models.CheckConstraint(condition=~Q(name=""), name="department_has_name"),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Creates users with a hashed password."""

    def create_user(
        self, username: str, password: str | None, roles: Sequence[str], **fields: object
    ) -> "User":
        """Save and return a new user; `roles` are values of `Role`.

        While there is only one department, the person belongs to it.
        """
        user = self.model(username=username, roles=sorted(roles), **fields)
        user.set_password(password)
        user.save()
        user.join_only_department()
        return user


class User(AbstractBaseUser):  # type: ignore[django-manager-missing]
    """A person, or another system, that signs in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(
        _("user name"),
        max_length=150,
        unique=True,
        validators=[UnicodeUsernameValidator()],
        error_messages={"unique": _("There is already a user of that name.")},
    )
    full_name = models.CharField(max_length=150, blank=True)
    email = models.EmailField(blank=True)
    roles = ArrayField(models.CharField(max_length=20, choices=Role.choices), default=list)
    is_active = models.BooleanField(default=True)
    must_change_password = models.BooleanField(default=False)
    one_time_password_until = models.DateTimeField(
        null=True, blank=True, help_text="Empty where there is none, or one without an end."
    )
    language = models.CharField(
        max_length=10,
        blank=True,
        default="",
        help_text="Chosen in the page last, for what reaches the person elsewhere; '' when never.",
    )
    is_node = models.BooleanField(
        default=False,
        help_text="Stands for a system that sends: a DICOM node or a source of HL7 orders. Has no"
        " password and no role.",
    )
    departments = models.ManyToManyField(
        Department, through="Membership", related_name="people", blank=True
    )
    sees_all_departments = models.BooleanField(
        default=False, help_text="Also those that are added later."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"

    class Meta:
        ordering = ["username"]
        constraints = [
            models.CheckConstraint(
                condition=Q(roles__contained_by=Role.values), name="user_roles_known"
            ),
            models.CheckConstraint(condition=~Q(username=""), name="user_name_not_empty"),
            models.CheckConstraint(
                condition=Q(is_node=False) | Q(roles=[]), name="node_has_no_role"
            ),
            # Names that differ only in case would be confused.
            models.UniqueConstraint(Lower("username"), name="user_name_whatever_case"),
        ]

    def __str__(self) -> str:
        return self.full_name or self.username

    @property
    def role_labels(self) -> list[str]:
        """The names of the roles."""
        return [label_of(Role, role) for role in self.roles]

    @property
    def has_expired_password(self) -> bool:
        """Whether the user has a one-time password that has expired."""
        until = self.one_time_password_until
        return self.must_change_password and until is not None and until <= timezone.now()

    def has_role(self, *roles: str) -> bool:
        """Whether this user holds at least one of the roles."""
        return any(role in self.roles for role in roles)

    @property
    def is_radiologist(self) -> bool:
        """For templates: a role misspelt there would silently hide things."""
        return self.has_role(Role.RADIOLOGIST)

    @property
    def is_coordinator(self) -> bool:
        """The same for coordinators."""
        return self.has_role(Role.COORDINATOR)

    def join_only_department(self) -> None:
        """Let a new person belong to the only department, where there is only one."""
        found = list(Department.objects.all()[:2])
        if len(found) == 1 and not self.is_node:
            self.departments.add(found[0])


class Membership(models.Model):
    """A person's membership of a department; its heads are told of emergency access to it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="memberships")
    is_head = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "department"], name="once_in_a_department")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.department}"
