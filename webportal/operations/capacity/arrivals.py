"""Arrivals: when studies, sent at random, have passed portals and audit trail and are queued."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webportal.operations.capacity.assumptions import Load, UploadPath

HOUR = 3600.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arrivals:
    """Images in the order in which they are queued.

    `sent` is when the portal has the whole file, `queued` when its job is committed.
    """

    sent: Floats
    queued: Floats
    priorities: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.sent)


def arrive(
    load: Load,
    path: UploadPath,
    rates: Sequence[float],
    random: np.random.Generator,
    slot: float = HOUR,
) -> Arrivals:
    """Draw the images of consecutive slots of `slot` seconds; `rates` are studies per hour.

    Studies arrive independently of each other (a Poisson process in each slot), the images of one
    at the same time. Each has one image and a Poisson number of further ones.
    """
    starts = [
        np.sort(random.uniform(0, slot, random.poisson(rate * slot / HOUR)) + number * slot)
        for number, rate in enumerate(rates)
    ]
    studies = np.concatenate(starts) if starts else np.empty(0)
    shares = np.asarray(load.priorities, dtype=float)
    priorities = random.choice(len(shares), size=len(studies), p=shares / shares.sum())
    images = 1 + random.poisson(max(load.images_per_study - 1, 0), len(studies))
    sent = np.repeat(studies, images)
    queued = _queued(sent, path)
    order = np.argsort(queued, kind="stable")
    return Arrivals(
        sent[order], queued[order], np.repeat(priorities, images)[order].astype(np.int8)
    )


def _queued(sent: Floats, path: UploadPath) -> Floats:
    """When each file is in the queue: after one of the portals, then after the trail's head."""
    service = 1 / path.files_per_second
    done = np.empty_like(sent)
    for portal in range(path.portals):
        # All files take equally long, so the portals take turns.
        done[portal :: path.portals] = one_by_one(sent[portal :: path.portals], service)
    hold = 1 / path.commits_per_second
    rest = max(path.upload_seconds - service - hold, 0.0)
    order = np.argsort(done, kind="stable")
    queued = np.empty_like(sent)
    queued[order] = one_by_one(done[order] + rest, hold)
    return queued


def one_by_one(arrived: Floats, seconds: float) -> Floats:
    """When each arrival is done if they are served in order, for `seconds` each."""
    numbers = np.arange(len(arrived))
    begun: Floats = np.maximum.accumulate(arrived - numbers * seconds)
    return begun + (numbers + 1) * seconds
