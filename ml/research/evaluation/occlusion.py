"""Does the heat map show what influenced the network? Occluding the hottest region.

Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks* (ECCV 2014); the
comparison with random regions follows Samek et al., *Evaluating the Visualization of What a Deep
Neural Network Has Learned* (IEEE TNNLS 2017).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ml.serving.calibration import Floats

AREA = 0.15
RANDOM_BOXES = 8
# The edge of the patch is softened over some pixels: a sharp edge would be a finding itself.
SOFT_EDGE = 0.02

Predict = Callable[[NDArray[np.uint8]], Floats]
Box = tuple[int, int]


def check_by_occlusion(
    log_odds: Predict, inputs: NDArray[np.uint8], maps: Floats, *, seed: int = 0
) -> dict[str, Any]:
    """Compare covering the hottest square of each image with covering random squares of its size.

    ``inputs`` (n, size, size) are images with pneumonia, ``maps`` (n, s, s) their local log-odds,
    ``log_odds`` predicts the whole images'. A square has ``AREA`` of the image and is covered with
    its mean grey. The figures are for JSON: the share of images in which the hottest square lowers
    the log-odds more than the random ones do on average, and the median drops. ``ratio`` is that of
    the medians, None where covering a random square does not lower the log-odds at all.
    """
    size = inputs.shape[1]
    side = round(size * AREA**0.5)
    rng = np.random.default_rng(seed)
    before = log_odds(inputs)
    hottest = [hottest_square(heat, size, side) for heat in maps]
    drop = before - log_odds(_covered(inputs, hottest, side))
    random_drops = []
    for _ in range(RANDOM_BOXES):
        boxes = [(int(y), int(x)) for y, x in rng.integers(0, size - side + 1, (len(inputs), 2))]
        random_drops.append(before - log_odds(_covered(inputs, boxes, side)))
    random_drop = np.mean(random_drops, axis=0)
    hottest_median, random_median = float(np.median(drop)), float(np.median(random_drop))
    return {
        "n": len(inputs),
        "area": AREA,
        "random_boxes": RANDOM_BOXES,
        "hottest_drops_more": round(float(np.mean(drop > random_drop)), 4),
        "median_drop_hottest": round(hottest_median, 3),
        "median_drop_random": round(random_median, 3),
        "median_difference": round(float(np.median(drop - random_drop)), 3),
        "ratio": round(hottest_median / random_median, 2) if random_median > 0 else None,
    }


def hottest_square(heat: Floats, size: int, side: int) -> Box:
    """Return the top left corner of the square with most heat, on an image of size by size.

    Heat is what speaks for pneumonia: local log-odds below 0 count as 0, as they are shown.
    """
    shown = Image.fromarray(heat.clip(0).astype(np.float32))
    enlarged = np.asarray(shown.resize((size, size), Image.Resampling.BILINEAR), np.float64)
    sums = np.pad(enlarged.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    within = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    y, x = np.unravel_index(np.argmax(within), within.shape)
    return int(y), int(x)


def _covered(inputs: NDArray[np.uint8], boxes: list[Box], side: int) -> NDArray[np.uint8]:
    return np.stack([cover(image, box, side) for image, box in zip(inputs, boxes, strict=True)])


def cover(image: NDArray[np.uint8], box: Box, side: int) -> NDArray[np.uint8]:
    """Return a copy of (size, size) with the square at (y, x) covered with its own mean grey."""
    y, x = box
    size = len(image)
    mask = np.zeros((size, size), np.uint8)
    mask[y : y + side, x : x + side] = 255
    soft = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(SOFT_EDGE * size))
    share = np.asarray(soft, np.float32) / 255
    grey = image[y : y + side, x : x + side].mean()
    return np.asarray((image * (1 - share) + grey * share).round(), np.uint8)
