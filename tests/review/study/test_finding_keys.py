"""The keys of the other findings on the study page."""

import re

import pytest
from django.test import Client

from deploy.local.system import ROOT
from tests.factories import make_study
from webportal.review.models import OtherFinding
from webportal.review.study import reading_panel
from webportal.review.study.reading_panel import FINDING_KEYS
from webportal.review.study.viewer_tools import ACTIONS

pytestmark = pytest.mark.django_db


def test_the_keys_that_readers_know_by_heart_stay() -> None:
    learnt = {"effusion": "5", "cardiomegaly": "6", "pneumothorax": "7", "atelectasis": "8"}
    assert FINDING_KEYS.items() >= {**learnt, "other": "9"}.items()
    assert set(FINDING_KEYS) <= set(OtherFinding), "webportal/review/study/reading_panel.py"


def test_the_guide_names_the_keys() -> None:
    guide = " ".join((ROOT / "README.md").read_text().split())
    named = re.search(r"`(\d)` to `(\d)`(?: and `(\d)`)? other findings", guide)
    assert named is not None
    keys = {str(key) for key in range(int(named[1]), int(named[2]) + 1)} | {named[3] or named[1]}
    assert keys == set(FINDING_KEYS.values()), "README.md"


def test_no_finding_has_a_key_that_does_something_else() -> None:
    """The reading form handles keys first, so the other use of the key would be lost."""
    of_the_form = {*"1234", *"gtqun", "Enter"}
    others = of_the_form | {action.key.lower() for action in ACTIONS}
    assert others.isdisjoint(FINDING_KEYS.values()), "webportal/review/study/reading_panel.py"
    assert len(set(FINDING_KEYS.values())) == len(FINDING_KEYS)


def test_a_finding_without_a_key_is_ticked_by_click(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {finding: key for finding, key in FINDING_KEYS.items() if finding != OtherFinding.OTHER}
    monkeypatch.setattr(reading_panel, "FINDING_KEYS", keys)
    page = browser.get(f"/studies/{make_study().pk}").text
    assert 'id="finding-other"' in page
    assert 'data-read-key=""' not in page
    assert "<kbd></kbd>" not in page


def test_every_key_of_a_finding_is_shown_in_the_shortcut_list(browser: Client) -> None:
    page = browser.get(f"/studies/{make_study().pk}")
    keyed = page.context["keyed_findings"]
    keys = [finding.key for finding in keyed]
    assert [finding.value for finding in page.context["findings"]] == OtherFinding.values
    assert len(set(keys)) == len(keys)
    listed = page.text[page.text.index("<h3>Reading</h3>") :]
    for finding in keyed:
        assert f'data-read-key="{finding.key}"' in page.text
        assert f"<kbd>{finding.key}</kbd>" in listed
        assert finding.label in listed
