"""Folds of labelled images share no patient."""

from itertools import combinations
from pathlib import Path

import pytest

from ml.research.datasets.radiographs import DatasetError, find_images, make_folds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of empty files with the published names."""
    normal = tmp_path / "train" / "NORMAL"
    ill = tmp_path / "train" / "PNEUMONIA"
    normal.mkdir(parents=True)
    ill.mkdir(parents=True)
    for number in range(100, 200):
        (normal / f"IM-0{number}-0001.jpeg").touch()
        (normal / f"IM-0{number}-0001-0002.jpeg").touch()
        (normal / f"NORMAL2-IM-1{number}-0001.jpeg").touch()
    for number in range(1, 300):
        kind = "virus" if number % 3 == 0 else "bacteria"
        for image in range(1 + number % 4):
            (ill / f"person{number}_{kind}_{1000 + image}.jpeg").touch()
    (ill / "person7_virus_921_1.jpeg").touch()
    return tmp_path


def test_no_patient_is_in_two_folds_and_no_image_is_lost(folder: Path) -> None:
    found = find_images(folder)
    folds = make_folds(found)
    patients = [{i.patient for i in fold} for fold in vars(folds).values()]
    for one, other in combinations(patients, 2):
        assert not one & other
    assert sorted(i.path for fold in vars(folds).values() for i in fold) == sorted(
        i.path for i in found
    )
    assert all({i.is_pneumonia for i in fold} == {True, False} for fold in vars(folds).values())


def test_patient_and_kind_come_from_the_file_name(folder: Path) -> None:
    found = {image.path.name: image for image in find_images(folder)}
    assert found["person7_virus_921_1.jpeg"].kind == "virus"
    assert found["person7_virus_921_1.jpeg"].patient == found["person7_bacteria_1000.jpeg"].patient
    assert found["IM-0150-0001.jpeg"].patient == found["IM-0150-0001-0002.jpeg"].patient
    assert not found["IM-0150-0001.jpeg"].is_pneumonia


def test_pessimistic_fold_has_the_lowest_numbered_normals(folder: Path) -> None:
    folds = make_folds(find_images(folder))
    low = [i.number for i in folds.pessimistic if i.series == "IM"]
    rest = [i.number for f in (folds.training, folds.random) for i in f if i.series == "IM"]
    assert low
    assert max(low) < min(rest)
    normal_share = sum(not i.is_pneumonia for i in folds.pessimistic) / len(folds.pessimistic)
    assert normal_share == pytest.approx(0.375, abs=0.05)


def test_folds_depend_only_on_the_seed(folder: Path) -> None:
    found = find_images(folder)
    assert make_folds(found, seed=3) == make_folds(found, seed=3)
    assert make_folds(found, seed=3) != make_folds(found, seed=4)


def test_a_folder_without_labels_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="NORMAL"):
        find_images(tmp_path)
