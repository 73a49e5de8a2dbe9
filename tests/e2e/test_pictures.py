"""The photographs of the pages, and the document that shows them."""

import re

from tests.e2e.system import ROOT


def test_every_photograph_is_shown_and_every_shown_one_is_there() -> None:
    shown = re.findall(r"\]\(images/([\w-]+\.webp)\)", (ROOT / "docs" / "pages.md").read_text())
    assert shown
    assert len(shown) == len(set(shown))
    assert set(shown) == {path.name for path in (ROOT / "docs" / "images").glob("*.webp")}
