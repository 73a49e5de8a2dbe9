"""Training targets of children's and adults' images."""

from pathlib import Path

import pytest

from ml.research.datasets.radiographs import LabelledImage
from ml.research.datasets.targets import FINDINGS, SHARES, TRUST, Targets, reading_of


def adult(labels: str = "No Finding", view: str = "PA", **columns: str) -> LabelledImage:
    given = {"labels": labels, "view": view, "trust": "report text (NLP)", **columns}
    return LabelledImage(Path("a.jpg"), "", "patient", "", 0, given)


@pytest.mark.parametrize(
    ("columns", "reading"),
    [
        ({"rsna": "Lung Opacity"}, "opacity"),
        ({"rsna": "Normal", "google_airspace": "YES"}, "normal"),
        ({"rsna": "No Lung Opacity / Not Normal"}, "other"),
        ({"rsna": "", "google_airspace": "YES"}, "opacity"),
        ({"google_airspace": "NO"}, "normal"),
        ({"google_airspace": "NO", "labels": "Mass"}, "other"),
        ({"trust": "radiologist (NIH, 3 readers)"}, "normal"),
        ({"labels": "Consolidation"}, "unread"),
    ],
)
def test_radiologists_take_precedence_over_reports(columns: dict[str, str], reading: str) -> None:
    assert reading_of(adult(**columns)) == reading


def test_adults_targets_are_readings_and_what_goes_with_the_findings_of_the_unread() -> None:
    read = [
        *[adult("Consolidation", view, rsna="Lung Opacity") for view in ("PA", "AP")] * 10,
        *[adult("Nodule", "PA", rsna="No Lung Opacity / Not Normal")] * 10,
        *[adult(rsna="Normal")] * 10,
    ]
    unread = [adult("Consolidation"), adult("Nodule"), adult()]
    targets = Targets.of_adults([*read, *unread])

    assert targets.pneumonia[:40].tolist() == [1] * 20 + [0] * 20
    consolidation, nodule, clear = targets.pneumonia[40:]
    assert consolidation > 0.7 > 0.3 > nodule > clear > 0
    assert targets.weight[[0, 20, 30, 40]].tolist() == [
        TRUST[reading] for reading in ("opacity", "other", "normal", "unread")
    ]
    assert targets.abnormal[[0, 20, 30, 40, 42]].tolist() == [1, 1, 0, 1, 0]
    assert targets.group[[0, 1, 20, 40]].tolist() == [
        "opacity PA",
        "opacity AP",
        "other PA",
        "unread",
    ]
    assert targets.findings[0].tolist() == [finding == "Consolidation" for finding in FINDINGS]
    assert not targets.has_pattern.any()


def test_childrens_targets_are_the_class_and_the_pattern_where_it_is_known() -> None:
    kinds = ("normal", "bacteria", "virus", "pneumonia")
    children = Targets.of_children([LabelledImage(Path(k), k, k, "", 0) for k in kinds])
    assert children.pneumonia.tolist() == [0, 1, 1, 1]
    assert children.bacterial.tolist() == [0, 1, 0, 0]
    assert children.has_pattern.tolist() == [0, 1, 1, 0]
    assert not children.has_findings.any()
    both = Targets.joined(
        [children, Targets.of_adults([adult(rsna="Normal"), adult(rsna="Lung Opacity")])]
    )
    assert both.group.tolist() == ["normal", *["pneumonia"] * 3, "normal PA", "opacity PA"]
    assert both.findings.shape == (6, len(FINDINGS))


def test_neither_source_nor_view_reveals_the_class() -> None:
    assert SHARES["normal"] == pytest.approx(SHARES["pneumonia"], abs=0.03)
    for view in ("PA", "AP"):
        negative = SHARES[f"normal {view}"] + SHARES[f"other {view}"]
        assert negative / (negative + SHARES[f"opacity {view}"]) == pytest.approx(0.5, abs=0.1)
