"""What the study page's reading panel is made of."""

import dataclasses
import re

from deploy.local.system import ROOT
from webportal.review.study.reading_panel import ReadingPanel

# The result that decides which image is shown first.
_OF_THE_CONTEXT = {"leading"}


def test_the_templates_use_every_part_of_the_panel() -> None:
    """A name misspelt in a template would be silently empty."""
    folder = ROOT / "webportal" / "templates" / "review"
    text = "\n".join(each.read_text() for each in folder.rglob("*.html"))
    names = {each.name for each in dataclasses.fields(ReadingPanel)} - _OF_THE_CONTEXT
    assert {name for name in names if not re.search(rf"(?<![\w.]){name}\b", text)} == set()
