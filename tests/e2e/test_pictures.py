"""The screenshots, and the document that shows them."""

import re

from tests.e2e.system import ROOT


def test_every_screenshot_is_shown_and_every_shown_one_exists() -> None:
    shown = re.findall(r"\]\(images/([\w-]+\.webp)\)", (ROOT / "docs" / "pages.md").read_text())
    assert shown
    assert len(shown) == len(set(shown))
    assert set(shown) == {path.name for path in (ROOT / "docs" / "images").glob("*.webp")}
