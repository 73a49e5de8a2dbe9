"""Out-of-distribution (OOD) images, which are not upright frontal chest radiographs, for the gate.

Images for fitting and for measuring share no source image, and some kinds are used for measuring
only: the gate's performance on these indicates how it handles unforeseen images.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.research.ood_samples import drawn, shipped, transformed
from ml.research.ood_samples.drawn import Picture, Rng
from ml.serving.gate.orientation import applied
from ml.serving.preprocessing import squeeze

Group = Literal["turned or inverted", "cropped", "other", "real"]


SIDELONG = "two halves over each other"


class Samples(NamedTuple):
    """Images of one kind, (n, size, size) uint8; ``unseen`` if nothing was fitted to it."""

    group: Group
    pictures: NDArray[np.uint8]
    unseen: bool = False


def from_radiographs(radiographs: NDArray[np.uint8], per_kind: int, rng: Rng) -> dict[str, Samples]:
    """Spoil real upright radiographs (n, size, size) in the ways that may be fitted to, by kind.

    There are twice ``per_kind`` of each kind, where there are enough, and more of those that are
    nearest to a lateral view.
    """
    return {
        **_misoriented(radiographs, per_kind, rng),
        **_spoilt("cropped", transformed.CROPPED, radiographs, per_kind, rng),
        **_spoilt("other", transformed.SPOILT, radiographs, per_kind, rng),
        **_sidelong(radiographs, 6 * per_kind, rng),
        **_spoilt("other", transformed.SLICED, radiographs, 2 * per_kind, rng),
    }


def from_elsewhere(part: int, size: int, per_kind: int, rng: Rng) -> dict[str, Samples]:
    """Make OOD pictures that may be fitted to, by kind, from drawings and shipped pictures.

    ``part`` is 0 for fitting: no source picture of part 0 is in part 1.
    """
    return {
        **_drawn(drawn.FITTED, size, per_kind, rng),
        **_shipped(part, size, per_kind, rng),
    }


def for_measuring(radiographs: NDArray[np.uint8], per_kind: int, rng: Rng) -> dict[str, Samples]:
    """Make OOD pictures of all kinds, by kind, from sources that none for fitting is made from.

    ``radiographs`` must be of other patients than those given to ``from_radiographs``.
    """
    size = radiographs.shape[1]
    return {
        **from_radiographs(radiographs, per_kind, rng),
        **_spoilt("other", transformed.UNSEEN, radiographs, per_kind, rng, unseen=True),
        **from_elsewhere(1, size, per_kind, rng),
        **_drawn(drawn.UNSEEN, size, per_kind, rng, unseen=True),
    }


def _some(radiographs: NDArray[np.uint8], per_kind: int, rng: Rng) -> NDArray[np.uint8]:
    return radiographs[rng.permutation(len(radiographs))[: 2 * per_kind]]


def _misoriented(radiographs: NDArray[np.uint8], per_kind: int, rng: Rng) -> dict[str, Samples]:
    return {
        kind: Samples("turned or inverted", applied(turn, _some(radiographs, per_kind, rng)))
        for kind, turn in transformed.MISORIENTED.items()
    }


def _spoilt(
    group: Group,
    changes: Mapping[str, transformed.Change],
    radiographs: NDArray[np.uint8],
    per_kind: int,
    rng: Rng,
    unseen: bool = False,
) -> dict[str, Samples]:
    return {
        kind: Samples(
            group, np.stack([change(p, rng) for p in _some(radiographs, per_kind, rng)]), unseen
        )
        for kind, change in changes.items()
    }


def _sidelong(radiographs: NDArray[np.uint8], n: int, rng: Rng) -> dict[str, Samples]:
    pairs = rng.integers(len(radiographs), size=(n, 2))
    pictures = [
        transformed.sidelong(radiographs[one], radiographs[other], rng) for one, other in pairs
    ]
    return {SIDELONG: Samples("other", np.stack(pictures))}


def _drawn(
    kinds: Mapping[str, drawn.Drawing], size: int, per_kind: int, rng: Rng, unseen: bool = False
) -> dict[str, Samples]:
    return {
        kind: Samples("other", _sized([draw(rng) for _ in range(per_kind)], size), unseen)
        for kind, draw in kinds.items()
    }


def _shipped(part: int, size: int, per_kind: int, rng: Rng) -> dict[str, Samples]:
    """Take every second source of a kind, from this one on; part 1 has all of the unseen kinds."""
    found = shipped.sources()
    made = {}
    for kind in dict.fromkeys(source.kind for source in found):
        unseen = kind in shipped.UNSEEN
        if unseen and part == 0:
            continue
        sources = [source for source in found if source.kind == kind]
        chosen = sources if unseen else sources[part::2]
        views = [shipped.vary(chosen[i % len(chosen)].greys, rng) for i in range(per_kind)]
        made[kind] = Samples("other", _sized(views, size), unseen)
    return made


def _sized(pictures: list[Picture], size: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(squeeze(picture, size)) for picture in pictures])
