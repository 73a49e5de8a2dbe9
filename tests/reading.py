"""A reader as most tests want one: has every image on the screen, and knows whose they are."""

import json
from dataclasses import replace
from typing import Any

from webportal.accounts.models import User
from webportal.records.identity import identity_version, shown_identity
from webportal.records.models import Study
from webportal.review.models import Addendum, Read
from webportal.review.reads import addenda, reading
from webportal.review.reads.viewing import record_viewed


def look_at(study: Study, reader: User) -> None:
    """Have every image that the study has now on the reader's screen."""
    for radiograph in study.radiographs.all():
        record_viewed(radiograph, reader)


def present_identity(study: Study) -> str:
    """The fingerprint of the identity that a page opened now would show."""
    return identity_version(Study.objects.get(pk=study.pk).patient)


def identity_field(study: Study) -> dict[str, str]:
    """What the form of a page opened now says of the identity."""
    return {"identity": json.dumps(shown_identity(Study.objects.get(pk=study.pk).patient))}


def sign(study: Study, reader: User, entry: reading.Entry, password: str, **more: Any) -> Read:
    """Look at everything and sign."""
    look_at(study, reader)
    entry = replace(entry, identity=entry.identity or present_identity(study))
    return reading.sign(study, reader, entry, password, **more)


def add_addendum(
    read: Read, author: User, reason: str, text: str, password: str, images: int | None = None
) -> Addendum:
    """Look at everything and sign an addendum."""
    look_at(read.study, author)
    identity = present_identity(read.study)
    return addenda.add_addendum(read, author, reason, text, password, images, identity=identity)
