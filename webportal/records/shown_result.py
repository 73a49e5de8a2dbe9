"""The model's result as people see it, for an image or a study."""

from typing import Any

from webportal.records.choices import Category, Purpose


class ShownResult:
    """What is shown of a result, of an image or a study: the rule on a model's purpose is in it.

    For classes with the fields `category`, `probability`, `purpose` and `purpose_reasons`.
    """

    category: Any
    probability: Any
    purpose: Any

    @property
    def shown_category(self) -> str:
        """The category that people see and that counts; '' where there is no result."""
        category: str = self.category
        if category in ("", Category.NOT_ASSESSABLE):
            return category
        if self.purpose == Purpose.WITHHELD:
            return str(Category.NOT_ASSESSABLE.value)
        return str(Category.OUTSIDE_PURPOSE.value) if self.is_outside else category

    @property
    def shown_label(self) -> str:
        """The category in words."""
        return str(Category(self.shown_category).label)

    @property
    def shown_probability(self) -> float | None:
        """The figure that is shown beside the category, None where none is."""
        is_plain = self.purpose not in (Purpose.OUTSIDE, Purpose.WITHHELD)
        return self.probability if is_plain else None

    @property
    def is_outside(self) -> bool:
        """Whether the model gave an answer that lies outside its purpose."""
        answered: bool = self.category not in ("", Category.NOT_ASSESSABLE)
        return answered and self.purpose == Purpose.OUTSIDE
