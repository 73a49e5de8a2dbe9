"""Every decision for every result, and the corresponding findings."""

import pytest

from webportal.review.reads.decisions import open_choices

UNAIDED = {("unaided", "none"), ("unaided", "possible"), ("unaided", "definite")}


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        (
            "likely",
            {("confirm", "definite"), ("confirm", "possible"), ("overrule", "none")},
        ),
        (
            "indeterminate",
            {("confirm", "possible"), ("overrule", "none"), ("overrule", "definite")},
        ),
        (
            "unlikely",
            {("confirm", "none"), ("overrule", "possible"), ("overrule", "definite")},
        ),
        ("not_assessable", UNAIDED),
        ("", UNAIDED),
    ],
)
def test_choices_for_a_category(category: str, expected: set[tuple[str, str]]) -> None:
    choices = open_choices(category)
    assert set(choices) == expected | {("not_interpretable", "")}
    assert len(choices) == len(set(choices))


def test_an_unknown_category_is_an_error() -> None:
    with pytest.raises(ValueError, match="perhaps"):
        open_choices("perhaps")
