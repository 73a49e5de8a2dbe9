"""Fine-tuning a trained network on adults in addition to children."""

from pathlib import Path

import numpy as np
import pytest

from ml.research.datasets.material import PARTS, Material, change, part_of
from ml.research.datasets.radiographs import LabelledImage
from ml.research.datasets.targets import SHARES, Targets
from ml.research.training.learning import averaged
from ml.research.training.refining import (
    Pool,
    PoolBatches,
    RefiningOptions,
    fill_pool,
    refine_in_parts,
)
from tests.ml.networks import random_network, uncompiled

SIZE = 64
OPTIONS = RefiningOptions(pool=64, steps=2, batch_size=8, start_share=0.5)
RSNA = ("Lung Opacity", "Normal", "No Lung Opacity / Not Normal", "")


def material() -> Material:
    """Return noise for 40 children and 40 adults, brighter in the middle where it is pneumonia."""
    kinds = ("normal", "virus", "normal", "bacteria")
    children = [LabelledImage(Path(str(i)), kinds[i % 4], f"c{i}", "", i) for i in range(40)]
    adults = [
        LabelledImage(
            Path(str(i)),
            "",
            f"a{i}",
            "",
            i,
            {
                "labels": "Consolidation" if i % 4 == 0 else "No Finding",
                "view": ("PA", "AP")[i // 4 % 2],
                "rsna": RSNA[i % 4],
                "trust": "report text (NLP)",
            },
        )
        for i in range(40)
    ]
    targets = Targets.joined([Targets.of_children(children), Targets.of_adults(adults)])
    inputs = np.random.default_rng(0).integers(0, 120, (80, SIZE, SIZE), dtype=np.uint8)
    inputs[targets.pneumonia == 1, 16:48, 16:48] += 100
    return Material(inputs, [*children, *adults], targets)


def test_batches_leave_the_patients_of_a_part_out_and_draw_each_group_as_often_as_it_should() -> (
    None
):
    made_up = material()
    source = np.arange(80)
    pool = Pool(np.ones((80, 4, 4, 3), np.float16), source)
    options = RefiningOptions(batch_size=400, steps=1)
    left_out = {i for i, image in enumerate(made_up.images) if part_of(image) == 1}
    batches = PoolBatches(pool, made_up, 1, options)

    _, targets, weights = batches[0]

    assert len(left_out) > 10
    drawn = {int(row) for members in batches.members.values() for row in members}
    assert drawn == set(source) - left_out
    children = (SHARES["normal"] + SHARES["pneumonia"]) / sum(SHARES.values())
    assert 1 - weights["findings"].mean() == pytest.approx(children, abs=0.08)
    np.testing.assert_array_equal(
        weights["subtype_logit"].astype(bool) & (weights["findings"] > 0), 0
    )
    assert set(np.unique(targets["abnormal"])) == {0, 1}


def test_part_of_a_patient_is_the_same_for_all_images() -> None:
    parts = [part_of(LabelledImage(Path(str(i)), "normal", f"p{i % 30}", "", i)) for i in range(60)]
    assert parts[:30] == parts[30:]
    assert set(parts) == set(range(PARTS))


def test_augmented_images_differ_and_keep_their_size() -> None:
    made_up = material()
    rng = np.random.default_rng(0)
    changed = [change(made_up.inputs[1], made_up.inputs[2], rng) for _ in range(20)]
    assert {each.shape for each in changed} == {(SIZE, SIZE)}
    assert all((each != made_up.inputs[1]).any() for each in changed)


def test_pool_favours_readings_over_their_number() -> None:
    made_up = material()
    pool = fill_pool(random_network(SIZE), made_up, OPTIONS)
    assert pool.features.shape == (64, 4, 4, 32)
    groups = made_up.targets.group[pool.source]
    # As many images, but drawn four times as often.
    assert (groups == "opacity AP").sum() > (groups == "normal AP").sum()


def test_refining_changes_the_output_but_not_the_gates_features(tmp_path: Path) -> None:
    start, made_up = random_network(SIZE), material()
    with uncompiled():  # test_joint.py compiles the same losses
        refined = refine_in_parts(start, made_up, OPTIONS, tmp_path)

        before, after = (n.predict_on_batch(made_up.inputs) for n in (start, refined.network))
    np.testing.assert_array_equal(before["layout"], after["layout"])
    assert np.abs(before["logit"] - after["logit"]).max() > 1e-4
    assert not np.array_equal(
        *(part.get_layer("head").get_weights()[0] for part in refined.parts.values())
    )

    with uncompiled():
        said = refined.left_out(made_up, np.arange(40, 52))
        alone = {
            part: network.predict_on_batch(made_up.inputs)["logit"]
            for part, network in refined.parts.items()
        }
    assert {part_of(image) for image in said.images} == {0, 2}
    for image, logit in zip(said.images, said.logits, strict=True):
        row = [each.patient for each in made_up.images].index(image.patient)
        assert logit == pytest.approx(float(alone[part_of(image)][row]), abs=1e-3)


def test_weights_are_mixed_by_their_shares() -> None:
    one, other = random_network(32), random_network(32)
    layer = other.get_layer("head")
    layer.set_weights([weights + 1 for weights in layer.get_weights()])
    for shares, expected in (((1, 0), 0), ((0.25, 0.75), 0.75), (None, 0.5)):
        mixed = averaged([one, other], shares)
        added = mixed.get_layer("head").get_weights()[0] - one.get_layer("head").get_weights()[0]
        np.testing.assert_allclose(added, expected, atol=1e-5)
        np.testing.assert_array_equal(
            mixed.get_layer("stem").get_weights()[0], one.get_layer("stem").get_weights()[0]
        )
