"""Upper stages for adults."""

from pathlib import Path

import keras
import numpy as np
import pytest

from ml.research.datasets.targets import ADULTS_SHARES, CHILDREN
from ml.research.evaluation.responses import Responses
from ml.research.packaging.adults import calibrate
from ml.research.training import adults as training_adults
from ml.research.training.adults import AdultsOptions, train_for_adults
from ml.research.training.refining import Pool, PoolBatches, RefiningOptions
from tests.ml.networks import random_network
from tests.ml.research.test_refined import adults
from tests.ml.research.test_refining import material


def test_probability_is_that_of_an_opacity_against_whatever_else_was_read() -> None:
    images = adults(300)
    # Those with another abnormality look like those with an opacity, and a normal chest never does.
    logits = np.array([-3.0 if image.columns["rsna"] == "Normal" else 3.0 for image in images])
    nothing = np.zeros((300, 1, 1))
    said = Responses(nothing.astype(np.uint8), images, logits, nothing, nothing, None)
    # At even odds an opacity is certain to look like one, anything else in one half.
    assert calibrate(said).probabilities(np.array(3.0)) == pytest.approx(2 / 3, abs=0.02)


def test_mostly_adults_are_drawn_and_every_adult_counts_fully() -> None:
    made_up = material()
    pool = Pool(np.ones((80, 4, 4, 3), np.float16), np.arange(80))
    both, of_adults = (
        PoolBatches(pool, made_up, None, options)[0][2]["findings"].mean()
        for options in (
            RefiningOptions(batch_size=400, steps=1),
            AdultsOptions(batch_size=400, steps=1, mixup=0.0),
        )
    )
    children = sum(ADULTS_SHARES[name] for name in CHILDREN) / sum(ADULTS_SHARES.values())
    assert of_adults == pytest.approx(1 - children, abs=0.06)
    assert of_adults > both
    assert set(AdultsOptions().trust.values()) == {1.0}


def test_the_mean_of_several_trainings_stands_for_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refined(*given: object) -> keras.Model:
        _, _, _, part, options, checkpoints = given
        assert isinstance(options, AdultsOptions)
        assert checkpoints == tmp_path / f"part{part}-{options.seed}"
        return random_network(32, options.seed)

    monkeypatch.setattr(training_adults, "refine", refined)
    start, pool = random_network(32), Pool(np.zeros(0), np.zeros(0))

    trained = train_for_adults(start, pool, material(), AdultsOptions(left_out=(1,)), tmp_path)

    heads = [random_network(32, s).get_layer("head").get_weights()[0] for s in (0, 1)]
    for network in (trained.parts[1], trained.network):
        mean = network.get_layer("head").get_weights()[0]
        np.testing.assert_allclose(mean, np.mean(heads, axis=0), atol=1e-6)


def test_blended_examples_have_blended_targets_and_the_lesser_weight() -> None:
    made_up = material()
    # Each example's features say which image it is.
    marks = np.arange(80, dtype=np.float16)[:, None, None, None] * np.ones(
        (80, 4, 4, 3), np.float16
    )
    batches = PoolBatches(
        Pool(marks, np.arange(80)), made_up, None, AdultsOptions(batch_size=200, steps=40)
    )
    wanted = made_up.targets.pneumonia
    whole = 0
    for index in range(20):
        features, targets, weights = batches[index]
        assert targets["logit"].shape == (*weights["logit"].shape, 1)
        assert 0 <= targets["logit"].min() <= targets["logit"].max() <= 1
        mark = features.max(axis=(1, 2, 3))
        if (mark == mark.round()).all():
            whole += 1
            seen = mark > 0  # of some all cells are blanked
            expected = wanted[mark.round().astype(int)]
            np.testing.assert_allclose(targets["logit"][seen, 0], expected[seen], atol=1e-3)
        # Half a child is none whose findings are known.
        assert set(np.unique(weights["findings"])) == {0, 1}
    # About every second batch.
    assert 4 <= whole <= 16
