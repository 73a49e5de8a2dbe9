"""The model card is English; users of other languages get a summary above it."""

from collections.abc import Callable, Sequence

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from ml.research.packaging.card import TEMPLATE
from ml.serving.package import SHIPPED_PACKAGE, load_package
from tests.factories import make_model_version
from webportal.accounts.models import User
from webportal.inference import card_summary, registry
from webportal.inference.figures import describe_calibration, describe_population
from webportal.inference.models import ModelVersion

pytestmark = pytest.mark.django_db

SENTENCES = (*card_summary.INTENDED_USE, *card_summary.OUT_OF_SCOPE, *card_summary.NOT_TESTED)


@pytest.fixture
def shipped() -> ModelVersion:
    return registry.register(load_package(SHIPPED_PACKAGE), None)[0]


def page(reader: User, sign_in: Callable[[User], Client], model: ModelVersion, lang: str) -> str:
    answer = sign_in(reader).get(f"/models/{model.pk}", headers={"Accept-Language": lang})
    return answer.content.decode().replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_is_taken_from_the_card(sentence: str) -> None:
    ages = {"youngest_years": "$youngest", "oldest_years": "$oldest"}
    assert sentence.format(**ages) in TEMPLATE.read_text().replace("*", "")


def test_a_nepali_reader_gets_a_summary_above_the_english_card(
    shipped: ModelVersion, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    text = page(radiologist, sign_in, shipped, "ne")
    summary, card = text.split('<article class="model-card" id="card" lang="en">')
    assert "## " not in card
    for part in (
        "सहायता मात्र",
        "यसका लागि होइन: वयस्क",
        "यो चिकित्सा उपकरण होइन",
        "जाँचिएको छैन",
        "पूरा कार्ड तल अङ्ग्रेजीमा छ",
        f"{shipped.population['youngest_years']} देखि {shipped.population['oldest_years']} वर्ष",
    ):
        assert part in summary
    for point in shipped.thresholds.values():
        assert f" {point['threshold'] * 100:.1f} %" in summary
    # Figures of the images that chose the thresholds appear only with the card's caveats.
    assert "100.0 %" not in summary
    assert "AUROC" not in summary
    assert "Out of scope" in card


def test_an_english_reader_gets_only_the_card(
    shipped: ModelVersion, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    assert "Summary of the model card" not in page(radiologist, sign_in, shipped, "en")


def test_the_summary_says_no_more_than_the_card(shipped: ModelVersion) -> None:
    silent = make_model_version("silent", card="# A model\n\nNothing is known of it.")

    def sentences(model: ModelVersion) -> list[Sequence[str]]:
        with translation.override("ne"):
            summary = card_summary.card_summary(model)
        return [summary.intended_use, summary.out_of_scope, summary.not_tested]

    assert sentences(silent) == [[], [], []]
    assert [len(part) for part in sentences(shipped)] == [3, 1, 4]


def test_names_of_models_are_marked_as_english(
    shipped: ModelVersion, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(radiologist)
    listed = client.get(reverse("inference:models"), headers={"Accept-Language": "ne"}).text
    assert f'<td lang="en">{shipped.name}</td>' in listed
    compared = client.get(reverse("inference:compare"), headers={"Accept-Language": "ne"}).text
    assert compared.count('lang="en"') == 2


def test_a_version_with_stages_for_adults_says_on_which_images_it_was_calibrated() -> None:
    of_children = {"youngest_years": 1, "oldest_years": 5}
    one, both = (
        ModelVersion(population=population)
        for population in (of_children, {**of_children, "adult_stages": True})
    )
    assert describe_calibration(one) == "images of patients of 1 to 5 years"
    assert describe_calibration(both).startswith(f"{describe_calibration(one)}, and separately on")
    assert describe_population(both) == describe_population(one)
