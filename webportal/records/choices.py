"""Choices of the case record's fields, with their sort order."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Sex(models.TextChoices):
    """Patient's Sex, DICOM (0010,0040); empty when not known."""

    FEMALE = "F", _("Female")
    MALE = "M", _("Male")
    OTHER = "O", _("Other")


class Priority(models.IntegerChoices):
    """How soon a study must be read; lower is sooner."""

    STAT = 0, _("Stat")
    URGENT = 1, _("Urgent")
    ROUTINE = 2, _("Routine")


class Symptom(models.TextChoices):
    """What the patient presents with."""

    COUGH = "cough", _("Cough")
    FEVER = "fever", _("Fever")
    CHEST_PAIN = "chest_pain", _("Chest pain")
    DYSPNOEA = "dyspnoea", _("Difficulty breathing")
    TACHYPNOEA = "tachypnoea", _("Fast breathing")
    WHEEZE = "wheeze", _("Wheeze")
    SPUTUM = "sputum", _("Sputum")
    HYPOXIA = "hypoxia", _("Low oxygen saturation")
    FATIGUE = "fatigue", _("Fatigue")
    VOMITING = "vomiting", _("Vomiting")


class Category(models.TextChoices):
    """The model's result for a radiograph or, by its worst radiograph, for a study."""

    LIKELY = "likely", _("Pneumonia likely")
    INDETERMINATE = "indeterminate", _("Indeterminate")
    UNLIKELY = "unlikely", _("Pneumonia unlikely")
    NOT_ASSESSABLE = "not_assessable", _("Not assessable")
    OUTSIDE_PURPOSE = "outside_purpose", _("Outside its purpose")
    # Studies only: an image has no result, and none will arrive.
    FAILED = "failed", _("Not analysed")


class Purpose(models.TextChoices):
    """Whether the model was made for such an image; see webportal.inference.purpose.rule."""

    WITHIN = "within", _("Within the model’s purpose")
    UNCONFIRMED = "unconfirmed", _("Not known whether it is within the model’s purpose")
    OUTSIDE = "outside", _("Outside the model’s purpose")
    WITHHELD = "withheld", _("Outside the model’s purpose, and withheld")


class Concern(models.IntegerChoices):
    """A study's rank on the worklist by its worst result; lower is sooner.

    An image that the model cannot assess, was not made for, or failed on, ranks above one that it
    calls unlikely, because nobody has assessed it yet.
    """

    LIKELY = 0
    INDETERMINATE = 1
    NOT_ASSESSABLE = 2
    UNLIKELY = 3
    NO_RESULT = 4

    @classmethod
    def of(cls, category: str) -> "Concern":
        """The place of a category."""
        if category in (Category.OUTSIDE_PURPOSE, Category.FAILED):
            return cls.NOT_ASSESSABLE
        return cls[category.upper()]


class ReadingState(models.TextChoices):
    """Reading status of a study.

    A prior was fetched from a PACS for comparison. It waits for nobody until a radiologist puts it
    on the worklist, or it arrives again as any other study does.
    """

    UNREAD = "unread", _("Unread")
    SIGNED = "signed", _("Signed")
    PRIOR = "prior", _("Prior")


class FaultKind(models.TextChoices):
    """What is wrong with a stored file."""

    MISSING = "missing", _("Missing")
    DAMAGED = "damaged", _("Damaged")
