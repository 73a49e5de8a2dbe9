"""Training targets of images from several sources, and how far each label is trusted.

Children's images are sorted into folders by class. Adults' come with a sheet: some were read by
radiologists as opacity, normal, or abnormal without an opacity; for the others only findings
extracted from reports by software are known, which are noisy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from ml.research.datasets.radiographs import LabelledImage, labels
from ml.serving.calibration import Floats

#: The findings of ChestX-ray14 (Wang et al., CVPR 2017), as its sheet names them.
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
# The groups of children.
CHILDREN = ("normal", "pneumonia")
OPACITY, NORMAL, OTHER, UNREAD = "opacity", "normal", "other", "unread"
READINGS = {
    "Lung Opacity": OPACITY,
    "Normal": NORMAL,
    "No Lung Opacity / Not Normal": OTHER,
}
NO_FINDING = "No Finding"
# The weight of each label for the decision. Abnormal lungs without an opacity are the hard
# negatives; radiologists agree less on them.
TRUST = {OPACITY: 1.0, NORMAL: 1.0, OTHER: 0.7, UNREAD: 0.3}
# The frequency of opacities when the report has no findings.
MISSED = 0.03
# Sampling ratios of the groups. Within each source and view, positives and negatives are about
# equally frequent, so that neither predicts the class.
SHARES = {
    "normal": 0.28,
    "pneumonia": 0.26,
    "opacity PA": 0.11,
    "opacity AP": 0.11,
    "normal PA": 0.10,
    "normal AP": 0.025,
    "other PA": 0.06,
    "other AP": 0.075,
    UNREAD: 0.18,
}
# The same for upper stages that assess adults: also balanced within each view, with many more of
# the hard negatives, and children to stay right about a child who is taken for an adult.
ADULTS_SHARES = {
    "normal": 0.10,
    "pneumonia": 0.12,
    "opacity PA": 0.15,
    "opacity AP": 0.15,
    "normal PA": 0.12,
    "normal AP": 0.03,
    "other PA": 0.13,
    "other AP": 0.13,
    UNREAD: 0.20,
}


@dataclass(frozen=True)
class Targets:
    """What n images show; each array has n rows.

    ``pneumonia`` is the decision's target and ``weight`` how much it counts; ``findings`` are those
    of ``FINDINGS`` where ``has_findings``; ``abnormal`` is anything but a normal chest;
    ``bacterial`` the pattern where ``has_pattern``; ``group`` one of ``SHARES``.
    """

    pneumonia: Floats
    weight: Floats
    findings: Floats
    has_findings: Floats
    abnormal: Floats
    bacterial: Floats
    has_pattern: Floats
    group: np.ndarray

    @classmethod
    def of_children(cls, images: Sequence[LabelledImage]) -> Self:
        """Take the class from folders and the pattern from file names."""
        pneumonia = labels(list(images))
        kinds = np.array([image.kind for image in images])
        return cls(
            pneumonia=pneumonia,
            weight=np.ones(len(images)),
            findings=np.zeros((len(images), len(FINDINGS))),
            has_findings=np.zeros(len(images)),
            abnormal=pneumonia,
            bacterial=(kinds == "bacteria").astype(float),
            has_pattern=np.isin(kinds, ("bacteria", "virus")).astype(float),
            group=np.where(pneumonia == 1, "pneumonia", "normal"),
        )

    @classmethod
    def of_adults(cls, images: Sequence[LabelledImage], trust: Mapping[str, float] = TRUST) -> Self:
        """Take readings, views and findings from the columns of a sheet.

        ``trust`` is how much an image of each reading counts.

        Unread images have as target how often radiographs with such findings were read as opacity,
        by logistic regression at the views' common mix.
        """
        findings = np.array([_findings(image) for image in images], float)
        readings = np.array([reading_of(image) for image in images])
        views = np.array([image.columns["view"] for image in images])
        read, is_ap = readings != UNREAD, (views == "AP").astype(float)
        opacity = readings == OPACITY
        fitted = LogisticRegression().fit(np.column_stack([findings, is_ap])[read], opacity[read])
        at_common_mix = np.column_stack([findings, np.full(len(images), is_ap.mean())])
        clear = findings.sum(axis=1) == 0
        guessed = np.where(clear, MISSED, fitted.predict_proba(at_common_mix)[:, 1])
        return cls(
            pneumonia=np.where(read, opacity, guessed),
            weight=np.array([trust[reading] for reading in readings]),
            findings=findings,
            has_findings=np.ones(len(images)),
            abnormal=np.where(read, readings != NORMAL, ~clear).astype(float),
            bacterial=np.zeros(len(images)),
            has_pattern=np.zeros(len(images)),
            group=np.array(
                [
                    reading if reading == UNREAD else f"{reading} {view}"
                    for reading, view in zip(readings, views, strict=True)
                ]
            ),
        )

    @classmethod
    def joined(cls, parts: Sequence["Targets"]) -> Self:
        """Return the targets of several sources, concatenated in order."""
        names = [each.name for each in fields(cls)]
        return cls(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})

    def by_output(self, rows: np.ndarray) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Return the targets of chosen images and their weights, for each output in training."""
        wanted = {
            "logit": self.pneumonia[rows, None],
            "subtype_logit": self.bacterial[rows, None],
            "findings": self.findings[rows],
            "abnormal": self.abnormal[rows, None],
        }
        weights = {
            "logit": self.weight[rows],
            "subtype_logit": self.has_pattern[rows],
            "findings": self.has_findings[rows],
            "abnormal": np.ones(len(rows)),
        }
        return wanted, weights


def reading_of(image: LabelledImage) -> str:
    """Return how radiologists read an image of a sheet: one of the keys of ``TRUST``.

    Columns: ``rsna``, else ``google_airspace`` (YES, NO), else a ``trust`` that names radiologists
    of the NIH, who read normal images alone.
    """
    columns = image.columns
    if columns.get("rsna"):
        return READINGS[columns["rsna"]]
    airspace = columns.get("google_airspace")
    if airspace == "YES":
        return OPACITY
    if airspace == "NO":
        return NORMAL if columns["labels"] == NO_FINDING else OTHER
    return NORMAL if columns["trust"].startswith("radiologist (NIH") else UNREAD


def _findings(image: LabelledImage) -> list[bool]:
    named = image.columns["labels"].split("|")
    return [finding in named for finding in FINDINGS]
