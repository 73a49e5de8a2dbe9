"""Figures on the heat maps of a package."""

from ml.serving.calibration import Floats


def rim_width(places: int) -> int:
    """Return how many cells on each side of a map are its rim, the outer seventh."""
    return max(1, round(places / 7))


def rim_share(maps: Floats) -> float:
    """Return the share of all heat that is on the rim, which is mostly off the lungs.

    ``maps`` (n, s, s) are calibrated local log-odds of images with pneumonia; heat is what is
    above 0.
    """
    heat = maps.clip(0)
    rim = rim_width(heat.shape[1])
    # Rounding may leave a little less than nothing.
    return max(0.0, round(float(1 - heat[:, rim:-rim, rim:-rim].sum() / heat.sum()), 4))


def rim_area(places: int) -> float:
    """Return the share of a map's area that is its rim."""
    return 1 - (places - 2 * rim_width(places)) ** 2 / places**2
