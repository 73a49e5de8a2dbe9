"""Model versions: registered from their packages, one of them active."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ml.serving.package import (
    HASHES_FILE,
    SHIPPED_PACKAGE,
    ModelPackage,
    PackageError,
    load_package,
    plot_file,
    read_listed_file,
    read_plots,
)
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.models import ModelVersion
from webportal.refusals import Conflict


class RegistryError(Conflict):
    """A package cannot be registered or activated; the message says why and what to do."""


@dataclass(frozen=True)
class ModelNews:
    """News about models for hospital IT.

    `newer` came with this release while `active` stays in use; `is_lost` if the package of `active`
    is missing, so that no worker can load it.
    """

    active: ModelVersion | None
    newer: ModelVersion | None
    is_lost: bool


def active_model() -> ModelVersion | None:
    """The version that workers run, None if none is active."""
    return ModelVersion.objects.filter(is_active=True).first()


def active_model_id() -> Any:
    """The key of the version that workers run; they ask for each batch whether it is another."""
    return ModelVersion.objects.filter(is_active=True).values_list("pk", flat=True).first()


def package_path(model: ModelVersion) -> Path:
    """Path of the version's package on this machine.

    A package shipped with the code is located relative to it, wherever that is installed.
    """
    return settings.BASE_DIR / model.package_path


def has_package(model: ModelVersion) -> bool:
    """Whether the version's package exists on this machine; its contents are not checked."""
    return (package_path(model) / HASHES_FILE).is_file()


def verified_package(model: ModelVersion) -> ModelPackage:
    """Read the version's package.

    Raises PackageError, saying what to do, if it is missing or not the one that was registered.
    """
    if not has_package(model):
        raise PackageError(
            "The package of model version {version} is not at {path}; an upgrade brings its own"
            " and leaves older ones out. Activate another version on the models page, or put"
            " the folder back there.",
            {"version": model.version, "path": package_path(model)},
        )
    package = load_package(package_path(model))
    if package.sha256 != model.package_sha256:
        raise PackageError(
            "{path} is not the package that was registered as {version}. Put that one back, or"
            " activate another version on the models page.",
            {"path": package.path, "version": model.version},
        )
    return package


def plots(model: ModelVersion) -> Mapping[str, str]:
    """The plots of the version's package, each with what is seen in it, in English.

    None if the package is missing or not the one that was registered.
    """
    try:
        return read_plots(package_path(model), model.package_sha256)
    except PackageError:
        return {}


def plot(model: ModelVersion, name: str) -> bytes | None:
    """One of the version's plots as a PNG; None if there is none of this name, as for `plots`."""
    if name not in plots(model):
        return None
    try:
        return read_listed_file(package_path(model), model.package_sha256, plot_file(name))
    except PackageError:
        return None


def news() -> ModelNews:
    """News about the active version and the one that came with this release.

    A version that was active before is not news: somebody has reverted from it.
    """
    active = active_model()
    newer = ModelVersion.objects.filter(
        package_path=_stored_path(SHIPPED_PACKAGE), is_active=False, activated_at=None
    ).first()
    is_lost = active is not None and not has_package(active)
    return ModelNews(active, newer if active else None, is_lost)


@transaction.atomic
def register(package: ModelPackage, by: User | None) -> tuple[ModelVersion, bool]:
    """Register a verified package, and activate it when no version is active.

    Another active version stays active: which model reads is for a person to decide. Card, figures
    and operating points are stored with the version, so that they outlive the package. Returns the
    version and whether it is new. Raises RegistryError if another package was registered under the
    same version.
    """
    path = _stored_path(package.path)
    known = ModelVersion.objects.filter(package_sha256=package.sha256).first()
    if known is not None:
        if known.package_path != path and not has_package(known):
            known.package_path = path
            known.save(update_fields=["package_path"])
            append(Event(Action.MODEL_REGISTERED, "model", known.pk, detail=_identity(known)), by)
        return known, False
    if ModelVersion.objects.filter(version=package.version).exists():
        raise RegistryError(
            f"Version {package.version} is registered already, with other contents. "
            "A changed model needs a new version."
        )
    model = ModelVersion.objects.create(
        name=package.name,
        version=package.version,
        package_sha256=package.sha256,
        package_path=path,
        thresholds={name: vars(point) for name, point in package.thresholds.items()},
        figures=dict(package.figures),
        population=dict(package.population),
        independent_figures=list(package.independent),
        card=package.card,
    )
    append(Event(Action.MODEL_REGISTERED, "model", model.pk, detail=_identity(model)), by)
    if active_model() is None:
        activate(model, by)
    return model, True


@transaction.atomic
def activate(model: ModelVersion, by: User | None) -> None:
    """Make this the version that workers run, each from its next batch on, one after the other.

    Raises RegistryError if its package is missing or was altered.
    """
    # Serialises concurrent activations.
    versions = list(ModelVersion.objects.select_for_update().order_by("pk"))
    former = next((version for version in versions if version.is_active), None)
    if former == model:
        return
    try:
        verified_package(model)
    except PackageError as error:
        why = _(error.message).format(**error.values)
        raise RegistryError(_("It cannot be activated. %(why)s") % {"why": why}) from error
    ModelVersion.objects.filter(is_active=True).update(is_active=False)
    model.is_active, model.activated_at, model.activated_by = True, timezone.now(), by
    model.save(update_fields=["is_active", "activated_at", "activated_by"])
    detail = _identity(model) | {"instead_of": former.version if former else None}
    append(Event(Action.MODEL_ACTIVATED, "model", model.pk, detail=detail), by)


def _stored_path(path: Path) -> str:
    resolved = path.resolve()
    if resolved.is_relative_to(settings.BASE_DIR):
        resolved = resolved.relative_to(settings.BASE_DIR)
    return str(resolved)


def _identity(model: ModelVersion) -> dict[str, Any]:
    return {"version": model.version, "package_sha256": model.package_sha256}
