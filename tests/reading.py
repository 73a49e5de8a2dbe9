"""A reader as most tests want one: has every image on the screen, and knows whose they are."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import PASSWORD
from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.records.identity import identity_version, shown_identity
from webportal.records.models import Study
from webportal.review.models import Addendum, Read
from webportal.review.reads import addenda, services
from webportal.review.reads.second_reading import due_read
from webportal.review.reads.services import Entry, ReadingError
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


def sign(study: Study, reader: User, entry: services.Entry, password: str, **more: Any) -> Read:
    """Look at everything and sign."""
    look_at(study, reader)
    entry = replace(entry, identity=entry.identity or present_identity(study))
    return services.sign(study, reader, entry, password, **more)


def entry(seen: Prediction, finding: str, **more: Any) -> Entry:
    """The finding on a result that is called likely or unlikely, with the decision that follows."""
    confirms = (finding == "none") == (seen.category == "unlikely")
    return Entry(seen.pk, "confirm" if confirms else "overrule", finding, **more)


def read(seen: Prediction, reader: User, finding: str, **more: Any) -> Read:
    """Sign the finding on a result."""
    return sign(seen.radiograph.study, reader, entry(seen, finding, **more), PASSWORD)


def state(study: Study) -> tuple[str, str]:
    """The study's reading state, and the kind of read that is due next."""
    study = Study.objects.get(pk=study.pk)
    return study.reading_state, due_read(study)


def refusal(act: Callable[[], object]) -> str:
    """The code with which something is refused."""
    with pytest.raises(ReadingError) as caught:
        act()
    return caught.value.code


def add_addendum(
    read: Read, author: User, reason: str, text: str, password: str, images: int | None = None
) -> Addendum:
    """Look at everything and sign an addendum."""
    look_at(read.study, author)
    identity = present_identity(read.study)
    return addenda.add_addendum(read, author, reason, text, password, images, identity=identity)
