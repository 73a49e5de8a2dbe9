"""Which findings go with which decision on the model's result."""

from webportal.records.models import Category
from webportal.review.models import Decision, Pneumonia

NO_FINDING = ""


def open_choices(category: str) -> list[tuple[Decision, str]]:
    """The pairs of decision and pneumonia finding that a reader may sign, for a result's category.

    `category` is a value of `Category`, or '' where there is no result. A picture that the model
    could not assess counts as having none: there is nothing to confirm or overrule.
    """
    none, possible, definite = Pneumonia.NONE, Pneumonia.POSSIBLE, Pneumonia.DEFINITE
    confirmed_by, overruled_by = (
        {
            Category.LIKELY: ([definite, possible], [none]),
            Category.INDETERMINATE: ([possible], [none, definite]),
            Category.UNLIKELY: ([none], [possible, definite]),
        }.get(Category(category), ([], []))
        if category
        else ([], [])
    )
    choices = [(Decision.CONFIRM, finding.value) for finding in confirmed_by]
    choices += [(Decision.OVERRULE, finding.value) for finding in overruled_by]
    if not choices:
        choices = [(Decision.UNAIDED, finding.value) for finding in (none, possible, definite)]
    return [*choices, (Decision.NOT_INTERPRETABLE, NO_FINDING)]
