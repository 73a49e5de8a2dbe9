"""The short form of `make fuzz`: corrupted phantoms, always the same ones, through intake."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import corruption, phantoms
from fuzz.targets import process

EXAMPLES = 60


@pytest.mark.parametrize("kind", phantoms.KINDS)
def test_good_files_are_accepted(kind: str) -> None:
    for data in phantoms.good(kind):
        process(kind, data)


@pytest.mark.parametrize("kind", phantoms.KINDS)
def test_a_corrupted_file_ends_in_a_verdict_within_the_limits(kind: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(by=st.randoms(use_true_random=False))
    def check(by: Random) -> None:
        process(kind, corruption.corrupted(kind, by))

    check()
