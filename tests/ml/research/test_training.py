"""Training resumes after an interruption, and samples as intended."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.research.datasets.radiographs import LabelledImage
from ml.research.training.from_imagenet import BalancedBatches, TrainingOptions, train
from ml.research.training.learning import RimPenalty, column
from ml.serving.network import build_network
from tests.ml.networks import TINY, uncompiled

OPTIONS = TrainingOptions(
    backbone=TINY, input_size=32, epochs=2, images_per_class=8, batch_size=8, head_dropout=0.0
)


def made_up(n: int) -> tuple[np.ndarray, list[LabelledImage]]:
    """Return noise images, half of them with pneumonia and brighter in the middle."""
    inputs = np.random.default_rng(0).integers(0, 120, (n, 32, 32), dtype=np.uint8)
    kinds = ("normal", "virus", "normal", "bacteria")
    labelled = [LabelledImage(Path(str(i)), kinds[i % 4], f"p{i}", "", i) for i in range(n)]
    inputs[1::2, 8:24, 8:24] += 100
    return inputs, labelled


def trained(options: TrainingOptions, checkpoints: Path) -> list[np.ndarray]:
    import keras

    keras.utils.set_random_seed(0)
    network = build_network(
        options.input_size,
        backbone=options.backbone,
        head_dropout=options.head_dropout,
        batch_norm_momentum=0.8,
    )
    # What takes long is to compile the steps of each weight, and not to train.
    for layer in network.layers[: network.layers.index(network.get_layer("head"))]:
        layer.trainable = False
    return list(train(network, *made_up(40), {}, options, checkpoints).get_weights())


def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = BalancedBatches.__getitem__
    history = tmp_path / "broken" / "history.csv"
    fetched: list[tuple[int, bytes]] = []

    def note(batches: BalancedBatches, index: int) -> object:
        fetched.append((index, batches.order.tobytes()))
        return fetch(batches, index)

    def break_off(batches: BalancedBatches, index: int) -> object:
        if history.exists() and len(history.read_text().splitlines()) > 1:
            raise KeyboardInterrupt
        return fetch(batches, index)

    monkeypatch.setattr(BalancedBatches, "__getitem__", note)
    unbroken = trained(OPTIONS, tmp_path / "unbroken")
    second_epoch = fetched[-2:]
    fetched.clear()
    with uncompiled(), monkeypatch.context() as patch:
        patch.setattr(BalancedBatches, "__getitem__", break_off)
        # Each backend of Keras wraps the interruption in an error of its own.
        with pytest.raises(BaseException):  # noqa: B017, PT011
            trained(OPTIONS, tmp_path / "broken")
    assert [line.partition(",")[0] for line in history.read_text().splitlines()] == ["epoch", "0"]
    with uncompiled():
        resumed = trained(OPTIONS, tmp_path / "broken")

    epochs = [line.partition(",")[0] for line in history.read_text().splitlines()]
    assert epochs == ["epoch", "0", "1"]
    assert [index for index, _ in second_epoch] == [0, 1]
    assert fetched[-2:] == second_epoch, "it was not the second epoch that it went on with"
    for one, other in zip(unbroken, resumed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_batches_have_both_classes_and_tell_the_subtype_only_where_it_is_known() -> None:
    inputs, labelled = made_up(40)
    batches = BalancedBatches(inputs, labelled, OPTIONS)

    drawn = [batches[index] for index in range(len(batches))]

    targets = np.concatenate([targets["logit"][:, 0] for _, targets, _ in drawn])
    subtype_counts = np.concatenate([weights["subtype_logit"] for *_, weights in drawn])
    assert targets.mean() == 0.5
    np.testing.assert_array_equal(subtype_counts, targets)
    assert len(set(batches.order)) == len(batches.order)


def test_images_acquired_like_the_other_class_are_sampled_more_often() -> None:
    inputs, labelled = made_up(200)
    inputs[0] = inputs[1]  # a normal image that looks taken like those with pneumonia
    counts = {}
    for balance in (0.0, 0.9):
        options = replace(OPTIONS, acquisition_balance=balance)
        batches = BalancedBatches(inputs, labelled, options)
        counts[balance] = 0
        for epoch in range(20):
            batches.begin(epoch)
            counts[balance] += 0 in batches.order
    assert counts[0.9] > counts[0.0] + 5


def test_evidence_on_the_rim_is_penalised_and_that_on_the_lungs_is_not() -> None:
    penalty = RimPenalty(0.1)
    maps = np.zeros((2, 14, 14, 1), np.float32)
    maps[:, 2:12, 2:12] = 5
    assert float(penalty(maps)) == 0
    maps[0, 0, 3], maps[1, 13, 13] = 4, -4
    assert float(penalty(maps)) == pytest.approx(0.1 * 2 * 4 / 14**2)


def test_the_weight_of_an_image_applies_to_it_alone() -> None:
    import keras

    network = build_network(32, backbone=TINY)
    inputs, labelled = made_up(6)
    known = np.array([image.kind in ("bacteria", "virus") for image in labelled], float)
    targets = np.array([[image.kind == "bacteria"] for image in labelled], float)
    logits = np.ravel(network.predict_on_batch(inputs)["subtype_logit"])
    learner = keras.Model(network.input, {"subtype_logit": column(network, "subtype_logit")})
    learner.compile(loss={"subtype_logit": keras.losses.BinaryCrossentropy(from_logits=True)})

    loss = learner.evaluate(
        inputs,
        {"subtype_logit": targets},
        sample_weight={"subtype_logit": known},
        verbose=0,
    )

    each = np.logaddexp(0, logits) - targets[:, 0] * logits
    assert loss == pytest.approx(float((each * known).mean()), abs=1e-5)
