"""Search texts, kept in the session: an address holds a key to one, and so no patient's name."""

import secrets

from django.http import HttpRequest

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
