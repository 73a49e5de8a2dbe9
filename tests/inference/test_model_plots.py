"""The page of a model version shows the plots of its package."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from tests.factories import make_package
from webportal.accounts.models import User
from webportal.inference import registry
from webportal.inference.figures import PLOTS
from webportal.inference.models import ModelVersion

pytestmark = pytest.mark.django_db

SEEN = {"roc": "ROC curves: area 0.981 (children).", "images": "Bars of <1,000 images."}


@pytest.fixture
def model(tmp_path: Path) -> ModelVersion:
    return registry.register(make_package(tmp_path / "plotted", plots=SEEN), None)[0]


@pytest.fixture
def reader(radiologist: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(radiologist)


def test_the_page_shows_the_plots_with_what_is_seen_in_them(
    model: ModelVersion, reader: Client
) -> None:
    page = reader.get(f"/models/{model.pk}").text
    assert page.index(f"/models/{model.pk}/plots/images.png") < page.index("/plots/roc.png")
    assert f'src="/models/{model.pk}/plots/roc.png" alt="{SEEN["roc"]}" lang="en"' in page
    assert "Bars of &lt;1,000 images." in page
    for name in SEEN:
        assert str(PLOTS[name]) in page
        plot = reader.get(f"/models/{model.pk}/plots/{name}.png")
        assert (plot.content, plot["Content-Type"]) == (name.encode(), "image/png")
        assert plot["Cache-Control"] == "no-store, private"


@pytest.mark.parametrize("name", ["learning", "card", "network", "SHA256SUMS"])
def test_what_is_no_plot_of_the_package_is_not_served(
    model: ModelVersion, reader: Client, name: str
) -> None:
    assert reader.get(f"/models/{model.pk}/plots/{name}.png").status_code == 404


def test_a_version_without_plots_has_no_section_of_them(tmp_path: Path, reader: Client) -> None:
    plain = registry.register(make_package(tmp_path / "plain"), None)[0]
    page = reader.get(f"/models/{plain.pk}")
    assert page.status_code == 200
    assert "plots-heading" not in page.text
    assert reader.get(f"/models/{plain.pk}/plots/roc.png").status_code == 404
    assert reader.get(f"/models/{uuid.uuid4()}/plots/roc.png").status_code == 404


def test_an_altered_plot_is_not_served(model: ModelVersion, reader: Client) -> None:
    (registry.package_path(model) / "plots" / "roc.png").write_bytes(b"another")
    assert reader.get(f"/models/{model.pk}/plots/roc.png").status_code == 404
    assert reader.get(f"/models/{model.pk}/plots/images.png").status_code == 200


def test_a_lost_package_has_no_plots(model: ModelVersion, reader: Client) -> None:
    shutil.rmtree(registry.package_path(model))
    assert "plots-heading" not in reader.get(f"/models/{model.pk}").text
    assert reader.get(f"/models/{model.pk}/plots/roc.png").status_code == 404


def test_plots_are_for_those_who_see_the_page(
    model: ModelVersion, uploader: User, sign_in: Callable[[User], Client], client: Client
) -> None:
    address = f"/models/{model.pk}/plots/roc.png"
    assert client.get(address).status_code == 302
    assert sign_in(uploader).get(address).status_code == 403
