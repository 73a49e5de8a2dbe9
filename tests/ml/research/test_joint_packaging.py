"""From a network trained on two sources to a package with a gate of its own."""

import json
from pathlib import Path

import pytest

from ml.research.datasets.material import part_of
from ml.research.datasets.sources import Sources
from ml.research.packaging.joint import Measuring, package_jointly
from ml.research.training.joint import JointOptions
from ml.research.training.parts import InParts
from ml.serving.package import ModelPackage
from tests.ml.made_up_sources import SIZE, write_adults, write_children, write_hands, write_sheet
from tests.ml.networks import random_network

pytestmark = pytest.mark.usefixtures("_few_replicates")


@pytest.mark.timeout(900)
def test_a_package_of_two_sources_has_a_gate_and_figures_of_patients_left_out(
    tmp_path: Path, shipped: ModelPackage
) -> None:
    boxes = [
        {"file": f"{i}.png", "finding": "Mass", "x": 0.2, "y": 0.2, "width": 0.5, "height": 0.5}
        for i in range(72)
    ]
    options = JointOptions(input_size=SIZE, left_out=(1,))
    children, adults = write_children(tmp_path / "children"), write_adults(tmp_path / "adults")
    sources = Sources.read(children, adults, SIZE, options.seed, options.trust)
    network = random_network(SIZE)
    package = package_jointly(
        tmp_path / "joint-2026.11",
        InParts(network, {1: network}),
        shipped,
        sources,
        options,
        Measuring(
            write_hands(tmp_path / "hands"),
            boxes=write_sheet(tmp_path / "adults", "boxes.csv", boxes),
            per_kind=1,
            varied=8,
        ),
        "python -m ml joint",
    )

    facts = json.loads((package.path / "package.json").read_text())
    unseen = [image for image in sources.adults if part_of(image) == 1]
    read = [image for image in unseen if image.columns["rsna"]]
    assert facts["adults"]["opacity against all others"]["n"] == len(read)
    assert facts["pointing"]["all findings"]["n"] == len(unseen)
    assert facts["training"]["adults"]["images"] == 72 - len(unseen)
    assert {line["source"] for line in facts["gate"]["groups"]} == {"children", "adults"}
    assert "hands: Hand" in facts["gate"]["outsiders"]
    assert package.gate_path.read_bytes() != shipped.gate_path.read_bytes()
    assert f"{shipped.version} as a teacher" in package.card
    assert "| all findings |" in package.card
