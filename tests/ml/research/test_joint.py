"""Training on children and adults together, with a teacher of where to look."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from ml.__main__ import main
from ml.research.datasets.material import part_of
from ml.research.datasets.targets import CHILDREN
from ml.research.training import joint
from ml.research.training.joint import (
    JointOptions,
    TaughtBatches,
    TaughtPool,
    begin,
    fill_pool,
    has_same_trunk,
    train_jointly,
    train_jointly_in_parts,
    unlike,
)
from ml.research.training.learning import trunk_output
from tests.ml.networks import random_network, uncompiled
from tests.ml.research.test_refining import SIZE, material

OPTIONS = JointOptions(
    input_size=SIZE,
    pool=96,
    epochs=2,
    images_per_epoch=32,
    batch_size=16,
    left_out=(1,),
    # Compiling what is trained takes most of the time here.
    frozen_stages=5,
)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "SHARD", 48)


def test_a_pool_is_filled_in_shards_and_goes_on_where_it_broke_off(
    tmp_path: Path, small_shards: None
) -> None:
    teacher, made_up = random_network(SIZE), material()
    fill_pool(teacher, made_up, OPTIONS, tmp_path)
    whole = TaughtPool.read(tmp_path)
    assert whole.features.shape == (96, 4, 4, 32)
    assert whole.maps.shape == (96, 4, 4)
    np.testing.assert_allclose(whole.maps.mean(axis=(1, 2)), whole.logits, atol=1e-3)

    (tmp_path / "pool-001.npz").unlink()
    untouched = (tmp_path / "pool-000.npz").stat().st_mtime_ns
    fill_pool(teacher, made_up, OPTIONS, tmp_path)
    np.testing.assert_array_equal(TaughtPool.read(tmp_path).source, whole.source)
    assert (tmp_path / "pool-000.npz").stat().st_mtime_ns == untouched


def test_only_childrens_images_learn_from_the_teachers_answer() -> None:
    made_up = material()
    rows = np.arange(80)
    pool = TaughtPool(
        features=np.ones((80, 8, 8, 40), np.float16),
        source=rows,
        covered=np.zeros(80, np.bool_),
        maps=np.ones((80, 4, 4)),
        logits=np.full(80, 3.0),
    )
    options = JointOptions(batch_size=600, images_per_epoch=600, adults_map_share=0.25)
    batches = TaughtBatches(pool, made_up, 1, options)

    _, targets, weights = batches[0]

    drawn = {int(row) for members in batches.members.values() for row in members}
    assert drawn == {i for i, image in enumerate(made_up.images) if part_of(image) != 1}
    of_children = weights["findings"] == 0
    np.testing.assert_array_equal(targets["taught"], 3)
    np.testing.assert_array_equal(weights["taught"], of_children)
    np.testing.assert_array_equal(weights["activation_map"][of_children], 1)
    np.testing.assert_array_equal(weights["activation_map"][~of_children], options.adults_map_share)


def test_for_a_covered_image_only_the_teachers_output_counts(tmp_path: Path) -> None:
    made_up = material()
    options = replace(OPTIONS, batch_size=600, images_per_epoch=600)
    fill_pool(random_network(SIZE), made_up, options, tmp_path)
    pool = TaughtPool.read(tmp_path)
    is_child = np.isin(made_up.targets.group[pool.source], CHILDREN)
    assert 0 < pool.covered.sum() < is_child.sum()
    assert not pool.covered[~is_child].any()
    batches = TaughtBatches(pool, made_up, 1, options)

    _, _, weights = batches[0]

    chosen, _ = batches.draw(0)
    covered = pool.covered[chosen]
    np.testing.assert_array_equal(weights["logit"][covered], 0)
    np.testing.assert_array_equal(weights["taught"][covered], 1)
    assert (weights["logit"][~covered] > 0).all()


def test_maps_are_alike_whatever_their_scale_and_mean() -> None:
    maps = np.random.default_rng(0).normal(0, 5, (3, 4, 4)).astype(np.float32)
    given = np.stack([2 * maps[0] - 7, -maps[1], maps[2] * 0])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(unlike(maps, given)), [0, 2, 1], atol=1e-3
    )


@pytest.mark.timeout(900)  # compiles a network
def test_training_leaves_the_frozen_stages_and_learns_the_teachers_map(tmp_path: Path) -> None:
    made_up, teacher = material(), random_network(SIZE)
    options = replace(OPTIONS, start="a-package")
    network = begin(options, teacher)
    # What takes long is to compile the steps of each weight, and not to train.
    for layer in network.layers[: network.layers.index(network.get_layer("head"))]:
        layer.trainable = False
    before = {
        w.path: w.numpy()
        for w in keras.Model(network.input, trunk_output(network, OPTIONS.frozen_stages)).weights
    }
    fill_pool(teacher, made_up, OPTIONS, tmp_path / "pool")
    pool = TaughtPool.read(tmp_path / "pool")
    assert has_same_trunk(network, teacher, OPTIONS.frozen_stages)

    train_jointly(network, pool, made_up, 1, options, tmp_path)

    for weights in keras.Model(network.input, trunk_output(network, OPTIONS.frozen_stages)).weights:
        np.testing.assert_array_equal(before[weights.path], weights.numpy())
    assert has_same_trunk(network, teacher, OPTIONS.frozen_stages)
    assert not np.allclose(
        network.get_layer("head").get_weights()[0], teacher.get_layer("head").get_weights()[0]
    )
    history = (tmp_path / "history.csv").read_text().splitlines()
    assert len(history) == 1 + OPTIONS.epochs
    assert {"epoch", "loss", "logit_accuracy", "activation_map_loss"} <= set(history[0].split(","))


def test_a_training_goes_on_from_a_package_and_keeps_a_share_of_it(tmp_path: Path) -> None:
    made_up, start = material(), random_network(SIZE)
    fill_pool(start, made_up, OPTIONS, tmp_path / "pool")
    pool = TaughtPool.read(tmp_path / "pool")
    options = replace(OPTIONS, start="a-package", start_share=0.75, epochs=1, left_out=(0, 1))

    with uncompiled():
        trained = train_jointly_in_parts(start, pool, made_up, options, tmp_path)

    def moved(network: keras.Model) -> np.ndarray:
        before, after = (n.get_layer("head").get_weights()[0] for n in (start, network))
        return np.asarray(after - before)

    assert set(trained.parts) == {0, 1}
    assert has_same_trunk(trained.network, start, OPTIONS.frozen_stages)
    of_parts = [moved(network) for network in trained.parts.values()]
    np.testing.assert_allclose(moved(trained.network), np.mean(of_parts, axis=0), atol=1e-6)
    assert np.abs(of_parts[0] - of_parts[1]).max() > 1e-6

    without_share = replace(options, start_share=0.0, left_out=(1,))
    with uncompiled():
        alone = train_jointly_in_parts(start, pool, made_up, without_share, tmp_path)
    np.testing.assert_allclose(of_parts[1], 0.25 * moved(alone.network), atol=1e-6)


def test_a_teacher_with_other_low_level_features_is_told_apart() -> None:
    one, other = random_network(32), random_network(32)
    assert has_same_trunk(one, other, 3)
    stem = other.get_layer("stem")
    stem.set_weights([weights + 0.1 for weights in stem.get_weights()])
    assert not has_same_trunk(one, other, 3)


def test_a_package_that_exists_is_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheets = ["--adults", "labels.csv", "--others", "labels.csv"]
    assert main(["joint", "--data", str(tmp_path), *sheets, "--out", str(tmp_path)]) == 1
    assert "A changed package is a new version" in capsys.readouterr().err
