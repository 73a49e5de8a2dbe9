"""The model's result as displayed, for an image or a study."""

from typing import Any

from webportal.labels import label_of
from webportal.records.choices import Category, Purpose


class ShownResult:
    """The displayed part of a result of an image or a study, applying the purpose rule.

    For classes with the fields `category`, `probability`, `purpose` and `purpose_reasons`.
    """

    category: Any
    probability: Any
    purpose: Any

    @property
    def shown_category(self) -> str:
        """The displayed and effective category; '' if there is no result."""
        category: str = self.category
        if category in ("", Category.NOT_ASSESSABLE):
            return category
        if self.purpose == Purpose.WITHHELD:
            return str(Category.NOT_ASSESSABLE.value)
        return str(Category.OUTSIDE_PURPOSE.value) if self.is_outside else category

    @property
    def shown_label(self) -> str:
        """The category's label."""
        return label_of(Category, self.shown_category)

    @property
    def shown_probability(self) -> float | None:
        """The displayed probability, None if none."""
        is_plain = self.purpose not in (Purpose.OUTSIDE, Purpose.WITHHELD)
        return self.probability if is_plain else None

    @property
    def is_outside(self) -> bool:
        """Whether the result is outside the model's purpose."""
        answered: bool = self.category not in ("", Category.NOT_ASSESSABLE)
        return answered and self.purpose == Purpose.OUTSIDE
