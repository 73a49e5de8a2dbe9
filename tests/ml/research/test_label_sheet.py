"""Labels from a sheet, and groups by its columns."""

from pathlib import Path

import pytest

from ml.research.datasets.label_sheet import check_column, group_of, read_label_sheet
from ml.research.datasets.radiographs import DatasetError


def sheet(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_rows_without_a_label_are_counted_and_left_out(tmp_path: Path) -> None:
    path = sheet(
        tmp_path,
        "file,label,patient,view\na.png,pneumonia,1,AP\nb.png,,1,PA\nc.png,Normal,,PA\n",
    )
    found, unlabelled = read_label_sheet(path, tmp_path)
    assert unlabelled == 1
    assert [image.kind for image in found] == ["pneumonia", "normal"]
    assert [image.path for image in found] == [tmp_path / "a.png", tmp_path / "c.png"]
    assert found[0].patient == "1"
    assert found[1].patient not in ("", "1")
    assert [group_of(image, "view") for image in found] == ["AP", "PA"]


def test_a_sheet_may_name_its_labels_pneumonia_and_say_1_and_0(tmp_path: Path) -> None:
    found, _ = read_label_sheet(sheet(tmp_path, "file,pneumonia\na.png,1\nb.png,0\n"), tmp_path)
    assert [image.is_pneumonia for image in found] == [True, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("picture,label\na.png,normal\n", "needs the columns 'file' and 'label'"),
        ("file,label\na.png,perhaps\n", "line 2: 'perhaps' is not a label"),
        ("file,label\na.png,\n", "No row"),
    ],
)
def test_a_sheet_that_cannot_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        read_label_sheet(sheet(tmp_path, text), tmp_path)


@pytest.mark.parametrize(
    ("age", "group"),
    [
        ("0", "under 1 year"),
        ("0.5", "under 1 year"),
        ("5", "1 to 5 years"),
        ("6", "6 to 17 years"),
        ("64", "40 to 64 years"),
        ("65", "65 years and over"),
        ("", "not given"),
        ("045Y", "045Y"),
    ],
)
def test_ages_in_years_are_grouped(tmp_path: Path, age: str, group: str) -> None:
    found, _ = read_label_sheet(sheet(tmp_path, f"file,label,age\na.png,1,{age}\n"), tmp_path)
    assert group_of(found[0], "age") == group


def test_a_missing_column_is_refused_with_the_existing_ones(tmp_path: Path) -> None:
    found, _ = read_label_sheet(sheet(tmp_path, "file,label,sex\na.png,1,F\n"), tmp_path)
    check_column(found, "sex")
    with pytest.raises(DatasetError, match="no column 'source'; there are: file, label, sex"):
        check_column(found, "source")
