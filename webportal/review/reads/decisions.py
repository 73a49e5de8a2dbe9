"""Mapping of findings to decisions on the model's result.

The reader records findings; whether they confirm or overrule the model follows unambiguously, so
nobody is asked twice.
"""

from webportal.records.choices import Category
from webportal.review.models import Decision, Pneumonia

NO_FINDING = ""

# The findings that confirm a result; every other one overrules it.
CONFIRMING = {
    Category.LIKELY: (Pneumonia.POSSIBLE, Pneumonia.DEFINITE),
    Category.INDETERMINATE: (Pneumonia.POSSIBLE,),
    Category.UNLIKELY: (Pneumonia.NONE,),
}


def open_choices(category: str) -> list[tuple[Decision, str]]:
    """The pairs of decision and pneumonia finding that a reader may sign, for a result's category.

    Always in the order none, possible, definite, not interpretable. `category` is a value of
    `Category`, or '' where there is no result. An image that the model could not assess, or that is
    outside its purpose, counts as having none: there is nothing to confirm or overrule.
    """
    confirming = CONFIRMING.get(Category(category)) if category else None
    choices = []
    for finding in Pneumonia:
        if confirming is None:
            decision = Decision.UNAIDED
        else:
            decision = Decision.CONFIRM if finding in confirming else Decision.OVERRULE
        choices.append((decision, finding.value))
    return [*choices, (Decision.NOT_INTERPRETABLE, NO_FINDING)]
