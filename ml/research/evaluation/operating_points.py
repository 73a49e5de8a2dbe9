"""The thresholds of the categories on the calibrated probability."""

from ml.research.evaluation.figures import Cases, operating_point
from ml.serving.calibration import threshold_for_sensitivity, threshold_for_specificity
from ml.serving.package import OperatingPoint

UNLIKELY_SENSITIVITY = 0.99
DECISION_SENSITIVITY = 0.97
LIKELY_SPECIFICITY = 0.98


def operating_points(cases: Cases) -> dict[str, OperatingPoint]:
    """Choose the three thresholds on calibrated probabilities, in rising order.

    For a sensitivity the highest threshold that has it is chosen: normal images of another hospital
    tend to score higher than these, and the room left above these is what keeps them apart. None of
    ``cases`` may be refused.
    """
    probabilities, targets = cases.probabilities, cases.targets
    unlikely = threshold_for_sensitivity(probabilities, targets, UNLIKELY_SENSITIVITY)
    decision = threshold_for_sensitivity(probabilities, targets, DECISION_SENSITIVITY)
    likely = max(threshold_for_specificity(probabilities, targets, LIKELY_SPECIFICITY), decision)
    chosen = {
        "unlikely": (unlikely, f"sensitivity of at least {UNLIKELY_SENSITIVITY:.0%}"),
        "decision": (decision, f"sensitivity of at least {DECISION_SENSITIVITY:.0%}"),
        "likely": (
            likely,
            f"specificity of at least {LIKELY_SPECIFICITY:.0%}, and not below 'decision'",
        ),
    }
    return {name: operating_point(cases, *point) for name, point in chosen.items()}
