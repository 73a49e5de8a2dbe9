"""What the study page's reading panel is made of."""

import dataclasses
import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from deploy.local.system import ROOT
from tests.factories import make_radiograph, make_study
from webportal.accounts.models import User
from webportal.review.models import Read
from webportal.review.study.reading_panel import ReadingPanel

# The result that decides which image is shown first.
_OF_THE_CONTEXT = {"leading"}


def test_the_templates_use_every_part_of_the_panel() -> None:
    """A name misspelt in a template would be silently empty."""
    folder = ROOT / "webportal" / "templates" / "review"
    text = "\n".join(each.read_text() for each in folder.rglob("*.html"))
    names = {each.name for each in dataclasses.fields(ReadingPanel)} - _OF_THE_CONTEXT
    assert {name for name in names if not re.search(rf"(?<![\w.]){name}\b", text)} == set()


@pytest.mark.django_db
def test_what_only_a_newer_release_knows_of_a_draft_is_reported(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    study = make_study()
    make_radiograph(study)
    draft = Read.objects.create(study=study, reader=radiologist, other_findings=["effusion"])
    client, words = sign_in(radiologist), "saved by a newer version of Chestline"
    assert words not in client.get(f"/studies/{study.pk}").text
    with connection.cursor() as cursor:
        # That release has let the database take it.
        cursor.execute("ALTER TABLE review_read DROP CONSTRAINT read_other_findings_known")
    Read.objects.filter(pk=draft.pk).update(other_findings=["effusion", "rib_fracture"])
    page = client.get(f"/studies/{study.pk}").text
    assert words in page
    assert "what you ticked: rib_fracture." in page
