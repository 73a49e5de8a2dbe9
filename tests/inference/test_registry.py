"""Model versions are registered once, one of them is active, and every swap is on record."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from ml.package import ModelPackage, OperatingPoint
from tests.factories import make_model_version
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.inference import registry
from webportal.inference.models import ModelVersion

pytestmark = pytest.mark.django_db

CARD = "# A card\n\n| a | b |\n|---|---|\n| 1 | <script>alert(1)</script> |\n"


def package(
    version: str = "1", sha256: str = "a" * 64, path: str = "ml/packages/x"
) -> ModelPackage:
    return ModelPackage(
        path=Path(path),
        name="Test",
        version=version,
        sha256=sha256,
        input_size=224,
        thresholds={"likely": OperatingPoint(0.8, "as the test says", 0.7, 0.98)},
        calibration_slope=1.0,
        calibration_offset=0.0,
        heatmap_full_scale=3.0,
        figures={"auroc": 0.9},
        training={},
        card=CARD,
    )


def test_the_first_version_becomes_active_and_a_later_one_waits() -> None:
    first, is_new = registry.register(package("1"), None)
    second, _ = registry.register(package("2", "b" * 64), None)
    assert is_new
    assert registry.active_model() == first
    assert not second.is_active
    assert audit_actions() == ["model.registered", "model.activated", "model.registered"]


def test_registering_again_changes_nothing() -> None:
    first, _ = registry.register(package(), None)
    assert registry.register(package(), None) == (first, False)
    assert ModelVersion.objects.count() == 1


def test_other_contents_under_a_known_version_are_refused() -> None:
    registry.register(package("1", "a" * 64), None)
    with pytest.raises(registry.RegistryError, match="needs a new version"):
        registry.register(package("1", "b" * 64), None)


def test_a_swap_leaves_one_version_active_and_is_on_record(it_person: User) -> None:
    first, _ = registry.register(package("1"), None)
    second, _ = registry.register(package("2", "b" * 64), None)
    registry.activate(second, it_person)
    assert list(ModelVersion.objects.filter(is_active=True)) == [second]
    registry.activate(second, it_person)
    assert audit_actions(object_id=str(second.pk)) == ["model.registered", "model.activated"]
    assert registry.active_model() != first


def test_a_package_beside_the_code_is_found_wherever_the_code_is(
    settings: Settings, tmp_path: Path
) -> None:
    model, _ = registry.register(package(path=f"{settings.BASE_DIR}/ml/packages/x"), None)
    settings.BASE_DIR = tmp_path
    assert registry.package_path(model) == tmp_path / "ml" / "packages" / "x"
    elsewhere, _ = registry.register(package("2", "b" * 64, "/srv/models/y"), None)
    assert registry.package_path(elsewhere) == Path("/srv/models/y")


def test_the_shipped_package_is_registered_by_the_command() -> None:
    call_command("register_model")
    call_command("register_model")
    assert ModelVersion.objects.get().is_active


def test_a_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no model package"):
        call_command("register_model", str(tmp_path))


def test_the_card_is_shown_with_its_markup_defused(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    model, _ = registry.register(package(), None)
    client = sign_in(radiologist)
    assert model.version in client.get("/models").content.decode()
    page = client.get(f"/models/{model.pk}").content.decode()
    assert "<h1>A card</h1>" in page
    assert "<table>" in page
    assert "<script>alert" not in page
    assert "Activate" not in page


def test_only_it_activates_a_version(
    radiologist: User, it_person: User, sign_in: Callable[[User], Client]
) -> None:
    make_model_version("1", is_active=True)
    newer = make_model_version("2")
    address = f"/models/{newer.pk}/activate"
    assert sign_in(radiologist).post(address).status_code == 403
    assert "Activate" in sign_in(it_person).get(f"/models/{newer.pk}").content.decode()
    assert sign_in(it_person).get(address).status_code == 405
    assert sign_in(it_person).post(address).status_code == 302
    assert registry.active_model() == newer
