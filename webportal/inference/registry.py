"""Model versions: registered from their packages, one of them active."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from ml.package import ModelPackage
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.models import ModelVersion


class RegistryError(Exception):
    """A package cannot be registered; the message says why."""


def active_model() -> ModelVersion | None:
    """The version that workers run, None when none is active."""
    return ModelVersion.objects.filter(is_active=True).first()


def package_path(model: ModelVersion) -> Path:
    """Where the version's package lies on this machine.

    A package that came with the code is found relative to the code, wherever that is installed.
    """
    return settings.BASE_DIR / model.package_path


@transaction.atomic
def register(package: ModelPackage, by: User | None) -> tuple[ModelVersion, bool]:
    """Register a verified package, and activate it when no version is active.

    Returns the version and whether it is new. Raises RegistryError when another package was
    registered under the same version.
    """
    known = ModelVersion.objects.filter(package_sha256=package.sha256).first()
    if known is not None:
        return known, False
    if ModelVersion.objects.filter(version=package.version).exists():
        raise RegistryError(
            f"Version {package.version} is registered already, with other contents. "
            "A changed model needs a new version."
        )
    path = package.path.resolve()
    if path.is_relative_to(settings.BASE_DIR):
        path = path.relative_to(settings.BASE_DIR)
    model = ModelVersion.objects.create(
        name=package.name,
        version=package.version,
        package_sha256=package.sha256,
        package_path=str(path),
        thresholds={name: vars(point) for name, point in package.thresholds.items()},
        figures=dict(package.figures),
        card=package.card,
    )
    append(Event(Action.MODEL_REGISTERED, "model", model.pk, detail=_identity(model)), by)
    if active_model() is None:
        activate(model, by)
    return model, True


@transaction.atomic
def activate(model: ModelVersion, by: User | None) -> None:
    """Make this the version that workers run from their next batch on."""
    # Two people who activate at once wait for each other here.
    versions = list(ModelVersion.objects.select_for_update().order_by("pk"))
    former = next((version for version in versions if version.is_active), None)
    if former == model:
        return
    ModelVersion.objects.filter(is_active=True).update(is_active=False)
    model.is_active = True
    model.save(update_fields=["is_active"])
    detail = _identity(model) | {"instead_of": former.version if former else None}
    append(Event(Action.MODEL_ACTIVATED, "model", model.pk, detail=detail), by)


def _identity(model: ModelVersion) -> dict[str, Any]:
    return {"version": model.version, "package_sha256": model.package_sha256}
