"""Searching; an address holds only a key to a text kept in the session, and no patient's name."""

import secrets

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from webportal.records.models import Patient

SESSION_KEY = "searches"
KEPT = 30


def remember(request: HttpRequest, text: str) -> str:
    """Keep a search text and return the key for the address; '' for an empty text."""
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
    """Return the text that was kept under the key, '' when it is not known in this session."""
    kept: dict[str, str] = request.session.get(SESSION_KEY, {})
    return kept.get(key, "")


def find_patients(text: str) -> QuerySet[Patient]:
    """Return the patients of whom each word is in the name, Patient ID or an accession number."""
    found = Patient.objects.all()
    for word in text.replace(",", " ").split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(patient_id__icontains=word)
            | Q(studies__accession_number__istartswith=word)
        )
    # The accession numbers are in another table, which may hold several of one patient.
    return Patient.objects.filter(pk__in=found.values("pk")) if text else found
