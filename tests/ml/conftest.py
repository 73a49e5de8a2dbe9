"""Fixtures around the package that ships."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.images import GreyImage
from ml.research.evaluation import bootstrap
from ml.serving.backbones import BACKBONES, Scaling
from ml.serving.gate import Gate
from ml.serving.package import SHIPPED_PACKAGE, ModelPackage, load_package, seal_package
from ml.serving.predictor import Predictor
from ml.serving.preprocessing import network_input
from webportal.demo.phantoms import draw_phantom


@pytest.fixture(autouse=True, scope="session")
def _tiny_backbone() -> Iterator[None]:
    """Add a network to the family that is built and compiled in a fraction of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "tiny", Scaling(0.25, 0.25))
        yield


@pytest.fixture(scope="session")
def shipped() -> ModelPackage:
    return load_package(SHIPPED_PACKAGE)


@pytest.fixture(scope="session")
def predictor(shipped: ModelPackage) -> Predictor:
    return Predictor(shipped, device="cpu")


@pytest.fixture(scope="session")
def ungated(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The shipped package with a gate that lets every picture through."""
    folder = tmp_path_factory.mktemp("package") / "ungated"
    shutil.copytree(SHIPPED_PACKAGE, folder)
    gate = Gate.load(folder / "gate.npz")
    dataclasses.replace(
        gate,
        contrast_limit=-1,
        classifier=dataclasses.replace(gate.classifier, limit=-np.inf),
    ).save(folder / "gate.npz")
    seal_package(folder)
    return Predictor(load_package(folder), device="cpu")


@pytest.fixture(scope="module")
def _few_replicates() -> Iterator[None]:
    """For tests of figures that need their intervals, but no exact ones."""
    draw = bootstrap.resamples
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "resamples", lambda patients, _, seed: draw(patients, 100, seed))
        yield


@pytest.fixture(scope="session")
def collimated() -> NDArray[np.uint8]:
    """Eight phantoms as the network gets them, (8, 224, 224)."""
    drawings = [draw_phantom(seed, (224, 280), seed % 2 == 0, collimated=True) for seed in range(8)]
    return np.stack([network_input(GreyImage(drawing, 255), 224) for drawing in drawings])


@pytest.fixture(scope="session")
def radiographs() -> Path:
    """The folder with real radiographs at full size; skips where there is none."""
    data = Path(os.environ.get("CHESTLINE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (data / "fullres").is_dir():
        pytest.skip(f"needs real radiographs: no folder {data / 'fullres'} (see CHESTLINE_DATA)")
    return data / "fullres"
