"""Patients and their studies."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from webportal.accounts.models import Department
from webportal.records.choices import (
    Category,
    Concern,
    Priority,
    Purpose,
    ReadingState,
    Sex,
    Symptom,
)
from webportal.records.identifiers import LONGEST, LONGEST_NAME
from webportal.records.shown_result import ShownResult
from webportal.records.visibility import OfStudy, Scope

OWN_ISSUER = "CHESTLINE"


def name_components(name: str) -> list[str]:
    """Return the components of a DICOM person name, family name first (PS3.5 6.2.1).

    Uses the first non-empty component group (alphabetic, ideographic, phonetic); an empty name is
    one empty component. `sorted_name` in the database does the same.
    """
    filled = [group for group in name.split("=")[:3] if group.strip(" ^")]
    return [component.strip() for component in filled[0].split("^")] if filled else [""]


class Patient(OfStudy):
    """A person, known by Patient ID and its issuer (DICOM (0010,0020) and (0010,0021))."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient_id = models.CharField("Patient ID", max_length=LONGEST)
    issuer = models.CharField("Issuer of Patient ID", max_length=LONGEST, blank=True)
    name = models.CharField(max_length=LONGEST_NAME, blank=True)
    birth_date = models.DateField(null=True, blank=True)
    sex = models.CharField(max_length=1, choices=Sex.choices, blank=True)
    is_temporary = models.BooleanField(
        default=False, help_text="Made for a file that carried no patient data."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "patient_id"]
        constraints = [
            models.UniqueConstraint(fields=["patient_id", "issuer"], name="patient_identity"),
            models.CheckConstraint(condition=~Q(patient_id=""), name="patient_id_not_empty"),
            models.CheckConstraint(
                condition=Q(sex__in=["", *Sex.values]), name="patient_sex_known"
            ),
        ]

    def __str__(self) -> str:
        return self.display_name

    @classmethod
    def visible_in(cls, scope: Scope) -> Q:
        """Those with a visible study; without any, for people who see all departments."""
        if scope.departments is None:
            return Q()
        studies = Study.objects.filter(scope.of_departments(), patient=OuterRef("pk"))
        return Q(Exists(studies)) | Q(pk__in=sorted(scope.patients))

    @property
    def display_name(self) -> str:
        """The display form of the name, `FAMILY, Given` for DICOM's `FAMILY^Given`; else the ID."""
        parts = [part for part in name_components(self.name) if part]
        if not parts:
            return self.patient_id
        return ", ".join([parts[0], " ".join(parts[1:])]) if len(parts) > 1 else parts[0]


# Order of a patient's studies; undated ones come last.
NEWEST_FIRST = (F("performed_at").desc(nulls_last=True), F("created_at").desc(), "id")

# Studies without a probability sort last when the most probable come first.
KNOWN_PROBABILITY = Coalesce("probability", -1.0)


class Study(ShownResult, OfStudy):
    """One examination of a patient, with the case record that came with it."""

    study_path = ""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="studies")
    study_instance_uid = models.CharField("Study Instance UID", max_length=64, unique=True)
    accession_number = models.CharField(max_length=LONGEST, blank=True)
    description = models.TextField(blank=True)
    performed_at = models.DateTimeField(null=True, blank=True)
    indication = models.TextField(blank=True)
    symptoms = ArrayField(
        models.CharField(max_length=20, choices=Symptom.choices), default=list, blank=True
    )
    history = models.TextField("relevant history", blank=True)
    referring_physician = models.TextField("referring clinician", blank=True)
    referrer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="referred_studies",
        null=True,
        blank=True,
        help_text="The account of the referring clinician, who is told of the report.",
    )
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.ROUTINE)
    is_phantom = models.BooleanField(
        default=False, help_text="Drawn by the project for demonstration; not a person."
    )
    department = models.ForeignKey(
        Department,
        on_delete=models.PROTECT,
        related_name="studies",
        db_index=False,  # the last column of the indexes of the worklist
        help_text="Whose people see it; changed by webportal.review.study.moving alone.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="studies"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    assigned_reader = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="assigned_studies",
        null=True,
        blank=True,
        db_index=False,  # covered by `study_assigned`
        help_text="Who is asked to read it; written by webportal.review.worklist.bulk.",
    )
    assigned_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When somebody else asked that reader; none where they took it themselves.",
    )
    assigned_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when it is assigned, also if the reader did it.",
    )

    # Worklist sort keys, denormalised here so that a hundred thousand studies sort by one index.
    # `concern` to `images_withheld` are written only by webportal.inference.summary;
    # `reading_state` by webportal.review.reads.services and records.services.return_to_worklist.
    concern = models.PositiveSmallIntegerField(choices=Concern.choices, default=Concern.NO_RESULT)
    category = models.CharField(max_length=20, choices=Category.choices, blank=True)
    probability = models.FloatField(null=True)
    purpose = models.CharField(max_length=12, choices=Purpose.choices, blank=True)
    purpose_reasons = models.JSONField(
        default=list, help_text="As those of the result that counts; see Prediction."
    )
    images_differ = models.BooleanField(
        default=False, help_text="Whether the model says of one image other than of another."
    )
    images_withheld = models.PositiveSmallIntegerField(
        default=0, help_text="How many images beside those that count the model was not made for."
    )
    reading_state = models.CharField(
        max_length=10, choices=ReadingState.choices, default=ReadingState.UNREAD
    )

    # The patient's name and Patient ID in sortable form, and the Patient ID alone; written by
    # triggers (see the migrations), which overwrite anything set here.
    sort_name = models.TextField(default="", editable=False, db_collation="C")
    sort_patient_id = models.TextField(default="", editable=False, db_collation="C")

    class Meta:
        verbose_name_plural = "studies"
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["reading_state", "priority", "concern", "created_at", "id", "department"],
                name="study_worklist",
            ),
            # One for each order of the worklist, per reading state and overall; see
            # webportal.review.worklist.order. The department comes last, so that the studies of
            # others are passed over within the index.
            models.Index(
                fields=["priority", "concern", "created_at", "id", "department"],
                name="study_all_urgency",
            ),
            models.Index(
                fields=["reading_state", "created_at", "id", "department"],
                name="study_received",
            ),
            models.Index(
                fields=["created_at", "id", "department"],
                name="study_all_received",
            ),
            models.Index(
                F("reading_state"),
                KNOWN_PROBABILITY,
                F("id"),
                F("department"),
                name="study_probable",
            ),
            models.Index(KNOWN_PROBABILITY, F("id"), F("department"), name="study_all_probable"),
            models.Index(
                fields=["reading_state", "sort_name", "created_at", "id", "department"],
                name="study_name",
            ),
            models.Index(
                fields=["sort_name", "created_at", "id", "department"],
                name="study_all_name",
            ),
            models.Index(
                fields=["reading_state", "sort_patient_id", "created_at", "id", "department"],
                name="study_patient_id",
            ),
            models.Index(
                fields=["sort_patient_id", "created_at", "id", "department"],
                name="study_all_patient_id",
            ),
            models.Index(
                fields=[
                    "assigned_reader",
                    "reading_state",
                    "priority",
                    "concern",
                    "created_at",
                    "id",
                    "department",
                ],
                condition=Q(assigned_reader__isnull=False),
                name="study_assigned",
            ),
            models.Index(fields=["accession_number"], name="study_accession"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(study_instance_uid=""), name="study_uid_not_empty"),
            models.CheckConstraint(
                condition=Q(symptoms__contained_by=Symptom.values), name="study_symptoms_known"
            ),
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values), name="study_priority_known"
            ),
            models.CheckConstraint(
                condition=Q(reading_state__in=ReadingState.values), name="study_reading_known"
            ),
            models.CheckConstraint(
                condition=Q(concern=Concern.NO_RESULT, category="", probability=None)
                | Q(concern=Concern.LIKELY, category="likely", probability__isnull=False)
                | Q(
                    concern=Concern.INDETERMINATE,
                    category="indeterminate",
                    probability__isnull=False,
                )
                | Q(concern=Concern.UNLIKELY, category="unlikely", probability__isnull=False)
                | Q(
                    concern=Concern.NOT_ASSESSABLE,
                    category__in=["not_assessable", "outside_purpose", "failed"],
                    probability=None,
                ),
                name="study_concern_matches_category",
            ),
        ]

    def __str__(self) -> str:
        return f"Study {self.accession_number or self.id}"
