"""Model versions are registered once, one is active, and every switch is audited."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from ml.serving.package import SHIPPED_PACKAGE, PackageError, load_package
from tests.factories import make_package
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.inference import registry
from webportal.inference.card import card_html
from webportal.inference.models import ModelVersion

pytestmark = pytest.mark.django_db

NEPALI = {"Accept-Language": "ne"}


def registered(folder: Path, version: str) -> ModelVersion:
    """A version whose package lies in the folder."""
    return registry.register(make_package(folder / version), None)[0]


def test_the_first_version_becomes_active_and_a_later_one_waits(tmp_path: Path) -> None:
    first = registered(tmp_path, "1")
    second = registered(tmp_path, "2")
    assert registry.active_model() == first
    assert not second.is_active
    assert audit_actions() == ["model.registered", "model.activated", "model.registered"]


def test_registering_again_changes_nothing(tmp_path: Path) -> None:
    package = make_package(tmp_path / "1")
    first, is_new = registry.register(package, None)
    assert is_new
    assert registry.register(package, None) == (first, False)
    assert ModelVersion.objects.count() == 1


def test_different_contents_under_a_known_version_are_refused(tmp_path: Path) -> None:
    registered(tmp_path / "here", "1")
    with pytest.raises(registry.RegistryError, match="needs a new version"):
        registry.register(make_package(tmp_path / "there" / "1", name="Another"), None)


def test_a_switch_leaves_one_version_active_and_is_audited(it_person: User, tmp_path: Path) -> None:
    first = registered(tmp_path, "1")
    second = registered(tmp_path, "2")
    assert (first.activated_by, second.activated_at) == (None, None)
    registry.activate(second, it_person)
    assert list(ModelVersion.objects.filter(is_active=True)) == [second]
    registry.activate(second, it_person)
    assert audit_actions(object_id=str(second.pk)) == ["model.registered", "model.activated"]
    entry = AuditEntry.objects.get(object_id=str(second.pk), action="model.activated")
    assert (entry.actor, entry.detail["instead_of"]) == (it_person.username, "1")
    assert (second.activated_by, second.activated_at is not None) == (it_person, True)


def test_a_package_beside_the_code_is_found_wherever_the_code_is(
    settings: Settings, tmp_path: Path
) -> None:
    settings.BASE_DIR = tmp_path / "code"
    model = registered(tmp_path / "code" / "ml" / "packages", "x")
    elsewhere = registered(tmp_path / "models", "y")
    settings.BASE_DIR = tmp_path / "moved"
    assert registry.package_path(model) == tmp_path / "moved" / "ml" / "packages" / "x"
    assert registry.package_path(elsewhere) == tmp_path / "models" / "y"


def test_a_missing_package_is_not_activated_and_keeps_its_card(
    it_person: User, sign_in: Callable[[User], Client], tmp_path: Path
) -> None:
    first, gone = registered(tmp_path, "1"), registered(tmp_path, "gone")
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(registry.RegistryError, match="upgrade brings its own"):
        registry.activate(gone, it_person)
    assert registry.active_model() == first

    client = sign_in(it_person)
    page = client.get(f"/models/{gone.pk}").text
    assert "Version gone" in page
    assert "# Test model" not in page
    assert "Test model" in page
    assert "cannot be run" in page
    assert "package missing" in client.get("/models").text
    _, _, shown = client.get(f"/models/{gone.pk}/activate").text.partition("<main")
    assert '<button class="btn btn-primary"' not in shown.partition("</main>")[0]
    answer = client.post(f"/models/{gone.pk}/activate", follow=True).text
    assert "cannot be activated" in answer
    assert registry.active_model() == first


@pytest.mark.parametrize("fault", ["altered", "missing", "another", "gone"])
def test_the_reason_against_activation_is_in_the_language_of_the_page(
    it_person: User, sign_in: Callable[[User], Client], tmp_path: Path, fault: str
) -> None:
    registered(tmp_path, "1")
    model = registered(tmp_path, "2{0}")  # braces are not fields
    folder = tmp_path / "2{0}"
    match fault:
        case "altered":
            (folder / "gate.npz").write_bytes(b"another gate")
        case "missing":
            (folder / "gate.npz").unlink()
        case "another":
            shutil.rmtree(folder)
            make_package(folder, name="Another")
        case "gone":
            shutil.rmtree(folder)
    client = sign_in(it_person)
    page = client.post(f"/models/{model.pk}/activate", follow=True, headers=NEPALI)
    (message,) = page.context["messages"]
    assert str(folder) in str(message)
    words = str(message).replace(str(folder), "")
    assert "सक्रिय गर्न सकिँदैन" in words
    assert not re.search(r"\b(the|is|not|package|at|install)\b", words, re.IGNORECASE)


def test_an_altered_package_is_not_activated(it_person: User, tmp_path: Path) -> None:
    registered(tmp_path, "1")
    altered = registered(tmp_path, "2")
    (tmp_path / "2" / "network.weights.h5").write_bytes(b"other weights")
    with pytest.raises(registry.RegistryError, match="is not the file that was packed"):
        registry.activate(altered, it_person)


def test_another_package_at_a_registered_path_is_not_loaded(tmp_path: Path) -> None:
    model = registered(tmp_path, "1")
    shutil.rmtree(tmp_path / "1")
    make_package(tmp_path / "1", name="Another")
    with pytest.raises(PackageError, match="not the package that was registered as 1"):
        registry.verified_package(model)


def test_a_moved_package_is_found_after_registering_it_again(
    tmp_path: Path,
) -> None:
    model = registered(tmp_path / "old", "1")
    (tmp_path / "old").rename(tmp_path / "new")
    registry.register(load_package(tmp_path / "new" / "1"), None)
    model.refresh_from_db()
    assert registry.has_package(model)
    assert ModelVersion.objects.count() == 1


def test_the_shipped_package_is_registered_by_the_command() -> None:
    call_command("register_model")
    call_command("register_model")
    assert ModelVersion.objects.get().is_active


def test_a_folder_that_is_not_a_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not a model package"):
        call_command("register_model", str(tmp_path))


def test_after_an_upgrade_hospital_it_decides_on_the_newer_model(
    radiologist: User, it_person: User, sign_in: Callable[[User], Client], tmp_path: Path
) -> None:
    before = registered(tmp_path, "before")
    call_command("register_model")
    shipped = ModelVersion.objects.get(version=SHIPPED_PACKAGE.name)
    assert registry.active_model() == before
    news = "A newer model came with this release"
    client = sign_in(it_person)
    assert news in client.get("/models").text
    assert news in client.get("/operations").text
    assert news not in sign_in(radiologist).get("/models").text

    confirmation = client.get(f"/models/{shipped.pk}/activate").text
    assert "Activate" in confirmation
    assert registry.active_model() == before
    client.post(f"/models/{shipped.pk}/activate")
    assert registry.active_model() == shipped
    assert news not in client.get("/operations").text
    # Who goes back on purpose is not asked again.
    client.post(f"/models/{before.pk}/activate")
    assert registry.active_model() == before
    assert news not in client.get("/models").text


def test_hospital_it_is_told_when_the_active_version_is_not_in_the_release(
    it_person: User, sign_in: Callable[[User], Client], tmp_path: Path
) -> None:
    registered(tmp_path, "before")
    client = sign_in(it_person)
    assert "is not in this release any more" not in client.get("/operations").text
    shutil.rmtree(tmp_path / "before")
    assert "is not in this release any more" in client.get("/operations").text
    assert "is not in this release any more" in client.get("/models").text


def test_a_card_is_shown_with_its_html_escaped() -> None:
    html = card_html(
        "# A card\n\n## Part\n\n| a | b |\n|---|---|\n| 1 | <script>alert(1)</script> |\n\n"
        "![ROC <b>](roc.png) [a](javascript:alert(1))\n"
    )
    assert "<h2>A card</h2>" in html
    assert "<h3>Part</h3>" in html
    assert '<table class="table table-sm">' in html
    assert "<em>ROC &lt;b&gt;</em>" in html
    assert [part for part in ("<script", "<img", 'href="javascript') if part in html] == []


def test_radiologists_can_view_a_version_but_not_activate_it(
    radiologist: User, sign_in: Callable[[User], Client], tmp_path: Path
) -> None:
    registered(tmp_path, "1")
    model = registered(tmp_path, "2")
    client = sign_in(radiologist)
    assert model.version in client.get("/models").text
    page = client.get(f"/models/{model.pk}").text
    assert "Version 2" in page
    assert "images of patients of 1 to 5 years, view AP, 73 % of them with pneumonia" in page
    assert "/activate" not in page
    assert client.post(f"/models/{model.pk}/activate").status_code == 403


def test_two_versions_are_shown_side_by_side(
    radiologist: User, sign_in: Callable[[User], Client], tmp_path: Path
) -> None:
    first = registered(tmp_path, "1")
    point = {"threshold": 0.8, "sensitivity": 1.0, "sensitivity_interval": [0.97, 1.0]}
    measured = {
        "source": "children of another hospital",
        "n": 400,
        "n_patients": 210,
        "auroc": 0.75,
        "auroc_interval": [0.7, 0.8],
        "operating_points": {"likely": point},
    }
    package = make_package(tmp_path / "2", independent=[measured])
    second, _ = registry.register(package, None)
    client = sign_in(radiologist)
    page = client.get(f"/models/compare?first={first.pk}&second={second.pk}").text
    # The one that lacks a figure shows a dash, not the other's; and says that it has none.
    for row in (
        "<td>–</td><td>400</td>",
        "<td>–</td><td>210</td>",
        "<td>–</td><td>0.750 (0.700–0.800)</td>",
        "<td>–</td><td>at least 97.0 %</td>",
    ):
        assert row in page
    assert "Measured on independent images: children of another hospital" in page
    assert page.count("How often this version is right is not known") == 1


def test_no_model_page_shows_figures_of_the_images_that_chose_the_thresholds(
    it_person: User, sign_in: Callable[[User], Client], tmp_path: Path
) -> None:
    first, second = registered(tmp_path, "1"), registered(tmp_path, "2")
    client = sign_in(it_person)
    for address in (
        f"/models/{first.pk}",
        f"/models/{second.pk}/activate",
        f"/models/compare?first={first.pk}&second={second.pk}",
    ):
        page = client.get(address).text
        assert "How often this version is right is not known" in page
        # Those of the factory's package: in sample, and of a fold.
        for figure in ("95.0", "85.0", "0.991"):
            assert figure not in page


def test_an_invalid_comparison_url_says_so(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(radiologist)
    assert "not a valid UUID" in client.get("/models/compare?first=1&second=2").text
