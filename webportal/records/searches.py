"""Searching; the URL holds only a key to a text kept in the session, no patient's name."""

import secrets
import uuid
from collections.abc import Iterable

from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from webportal.accounts.models import User
from webportal.records.models import Patient, Radiograph, Study, StudySearch

SESSION_KEY = "searches"
KEPT = 30
LONGEST = 200
# Shorter terms cannot use the trigram index; they match only at the start of a word.
SHORTEST_PIECE = 3


def remember(request: HttpRequest, text: str) -> str:
    """Store a search text and return the key for the URL; '' for an empty text."""
    text = " ".join(text.split())
    if not text:
        return ""
    kept: dict[str, str] = request.session.get(SESSION_KEY, {})
    for key, known in kept.items():
        if known == text:
            return key
    key = secrets.token_urlsafe(6)
    request.session[SESSION_KEY] = dict([*kept.items(), (key, text)][-KEPT:])
    return key


def recall(request: HttpRequest, key: str) -> str:
    """Return the text stored under the key, '' if unknown in this session."""
    kept: dict[str, str] = request.session.get(SESSION_KEY, {})
    return kept.get(key, "")


def normalised_words(text: str) -> list[str]:
    """Return the words of a search normalised as in `StudySearch`: lowercase, no accents."""
    if not text.strip():
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT search_words(%s)", [text.replace("\0", " ")])
        (words,) = cursor.fetchone()
    return str(words).split()


def filter_by_text(studies: QuerySet[Study], text: str) -> QuerySet[Study]:
    """Return the studies whose patient's name, Patient ID or accession number contain every word.

    A word of three or more characters matches anywhere, a shorter one at the start of a word.
    """
    for word in normalised_words(text):
        studies = studies.filter(search__text__contains=_piece(word))
    return studies


def find_patients(text: str, person: User) -> QuerySet[Patient]:
    """Return the visible patients whose name, Patient ID or an accession number have every word.

    Patients without a study are found by name and Patient ID as written.
    """
    patients = Patient.objects.visible_to(person)
    return _matching(text, patients, StudySearch.objects.visible_to(person))


def find_patients_for_auditors(text: str) -> QuerySet[Patient]:
    """The same among all patients of the hospital."""
    return _matching(text, Patient.objects.all(), StudySearch.objects.all())


def _matching(
    text: str, found: QuerySet[Patient], of_studies: QuerySet[StudySearch]
) -> QuerySet[Patient]:
    if not text.strip():
        return found
    for word in normalised_words(text):
        of_studies = of_studies.filter(text__contains=_piece(word))
    without_study = Q(studies=None)
    for word in text.replace(",", " ").split():
        without_study &= Q(name__icontains=word) | Q(patient_id__icontains=word)
    return found.filter(
        Q(pk__in=of_studies.values("study__patient"))
        | Q(pk__in=Patient.objects.filter(without_study).values("pk"))
    )


def _piece(word: str) -> str:
    return word if len(word) >= SHORTEST_PIECE else f" {word}"


def stated_ages(studies: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The Patient Age (``004Y``) that the files of each study state, the first image's first."""
    stated = Radiograph.objects.filter(study__in=studies).exclude(patient_age="")
    newest_first = stated.order_by("-created_at", "-id").values_list("study", "patient_age")
    return dict(newest_first)
