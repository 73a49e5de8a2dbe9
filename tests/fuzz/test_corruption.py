"""What the fuzzers do is repeatable, and finds what it is meant to find."""

from random import Random

import pytest

from fuzz import phantoms, targets
from fuzz.corruption import corrupted
from ml import images


@pytest.mark.parametrize("kind", phantoms.KINDS)
def test_an_input_follows_from_its_number(kind: str) -> None:
    assert [corrupted(kind, Random(n)) for n in range(9)] == [
        corrupted(kind, Random(n)) for n in range(9)
    ]


def test_most_corrupted_files_are_still_taken_for_what_they_are() -> None:
    for kind in ("jpeg", "png", "dicom"):
        sniffed = [images.sniff(corrupted(kind, Random(n))) for n in range(100)]
        assert sniffed.count(kind) > 50


def test_an_error_that_is_not_meant_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes) -> None:
        raise KeyError(len(data))

    monkeypatch.setattr(images, "describe", fail)
    with pytest.raises(KeyError) as caught:
        targets.process("png", phantoms.good("png")[0])
    assert targets.place_of(caught.value).startswith("KeyError at test_corruption.py:")


def test_a_file_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MOST_SECONDS", 0.0)
    with pytest.raises(targets.TooMuchError):
        targets.process("png", phantoms.good("png")[0])
