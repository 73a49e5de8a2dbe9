"""Image measures used by the gate: thumbnails and simple statistics."""

import numpy as np
from numpy.typing import NDArray

from ml.serving.calibration import Floats

THUMBNAIL = 14
VIEW = 4 * THUMBNAIL
RIM = 3
GREYS = 32


def contrast(inputs: NDArray[np.uint8]) -> Floats:
    """Return the grey levels between the 2nd and the 98th percentile of each image: (n,)."""
    low, high = np.percentile(_sampled(inputs), (2, 98), axis=1)
    return np.asarray(high - low, np.float32)


def thumbnails(inputs: NDArray[np.uint8]) -> Floats:
    """Return (n, 196): each image as 14 x 14 block means, with mean 0 and deviation 1."""
    flat = _block_means(inputs.astype(np.float32), THUMBNAIL).reshape(len(inputs), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= flat.std(axis=1, keepdims=True) + 1e-3
    return flat


def statistics(inputs: NDArray[np.uint8]) -> Floats:
    """Return (n, 12) figures of network inputs (n, s, s).

    Contrast; mean and deviation of the greys; correlation with the image mirrored, and with it
    upside down; mean of the rim, its share of black, and its share of white; entropy of the greys;
    roughness along rows, along columns, and of single pixels (logarithms, relative to the
    contrast).
    """
    n = len(inputs)
    view = _block_means(inputs.astype(np.float32) / 255, VIEW)
    spread = contrast(inputs) / 255
    small = thumbnails(inputs).reshape(n, THUMBNAIL, THUMBNAIL)
    rim = np.concatenate(
        [
            part.reshape(n, -1)
            for part in (view[:, :RIM], view[:, -RIM:], view[:, :, :RIM], view[:, :, -RIM:])
        ],
        axis=1,
    )
    rows = inputs[:, ::4].astype(np.float32) / 255

    def roughness(pixels: Floats, axis: int) -> Floats:
        steps = np.abs(np.diff(pixels, axis=axis)).mean(axis=(1, 2))
        return np.asarray(np.log(steps / spread.clip(0.01) + 1e-3))

    return np.stack(
        [
            spread,
            view.mean(axis=(1, 2)),
            view.std(axis=(1, 2)),
            (small * small[:, :, ::-1]).mean(axis=(1, 2)),
            (small * small[:, ::-1]).mean(axis=(1, 2)),
            rim.mean(axis=1),
            (rim < 0.02).mean(axis=1),
            (rim > 0.98).mean(axis=1),
            _entropy(view),
            roughness(view, 2),
            roughness(view, 1),
            roughness(rows, 2),
        ],
        axis=1,
    )


def _sampled(inputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every fourth row and column is enough for a percentile, and sixteen times faster."""
    return inputs[:, ::4, ::4].reshape(len(inputs), -1)


def _block_means(pixels: Floats, places: int) -> Floats:
    """Return (n, places, places) means of (n, s, s); s need not be a multiple of places."""
    size = pixels.shape[1]
    edges = np.arange(places) * size // places
    lengths = np.diff(edges, append=size)
    sums = np.add.reduceat(np.add.reduceat(pixels, edges, axis=1), edges, axis=2)
    return np.asarray(sums / np.outer(lengths, lengths), np.float32)


def _entropy(view: Floats) -> Floats:
    """Return the entropy of the greys of (n, v, v) views from 0 to 1, in nats: (n,)."""
    n = len(view)
    levels = (view.reshape(n, -1) * (GREYS - 1e-3)).astype(int)
    counts = np.bincount((levels + GREYS * np.arange(n)[:, None]).ravel(), minlength=n * GREYS)
    shares = counts.reshape(n, GREYS) / levels.shape[1]
    return np.asarray(-(shares * np.log(shares + 1e-9)).sum(axis=1))
