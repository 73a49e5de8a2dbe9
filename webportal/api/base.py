"""Base class of all endpoints."""

from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.viewsets import GenericViewSet

from webportal.accounts.models import Role, User
from webportal.api.access_reporting import show_all
from webportal.api.filters import OPEN, OPENING
from webportal.api.permissions import ByRole
from webportal.records.choices import Priority
from webportal.records.visibility import VisibleQuerySet

_Thing = TypeVar("_Thing", bound=Model)

PRIORITIES = [(priority.name.lower(), priority.label) for priority in Priority]


class Endpoint(GenericViewSet[_Thing]):
    """A viewset whose `roles` say, for each action, who may use it.

    `opens_results` names the actions whose answers show model results that a caller who reads
    first has to open. Tokens that only read may use GET and the actions in `read_by_post`, those
    that only upload the actions in `of_uploading`.
    """

    permission_classes = [ByRole]
    roles: ClassVar[dict[str, tuple[Role, ...]]]
    opens_results: ClassVar[tuple[str, ...]] = ()
    read_by_post: ClassVar[tuple[str, ...]] = ()
    of_uploading: ClassVar[tuple[str, ...]] = ()
    lookup_value_converter = "uuid"

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """The serializer; the objects it serializes are reported to the access log."""
        if args:
            show_all(self.request, args[0] if kwargs.get("many") else [args[0]])
        return super().get_serializer(*args, **kwargs)

    def get_queryset(self) -> QuerySet[_Thing]:
        """The rows; of studies and uploads those that the caller may see."""
        rows = super().get_queryset()
        # The schema is made without a caller.
        if isinstance(rows, VisibleQuerySet) and not getattr(self, "swagger_fake_view", False):
            return rows.visible_to(self.person)
        return rows

    @property
    def person(self) -> User:
        """The caller, whom ByRole has authenticated."""
        user = self.request.user
        if not isinstance(user, User):
            raise TypeError("The endpoint asks for the caller, but does not use ByRole.")
        return user

    @property
    def results_are_open(self) -> bool:
        """Whether a caller who reads first has asked for the results in this answer."""
        return self.request.query_params.get(OPENING) == OPEN


class PriorityField(serializers.ChoiceField):
    """A priority by its name: stat, urgent or routine."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=PRIORITIES, **options)

    def to_representation(self, value: Any) -> str:
        """The name."""
        return Priority(value).name.lower()

    def to_internal_value(self, data: Any) -> Any:
        """The number that the records keep."""
        return Priority[super().to_internal_value(data).upper()].value


class SearchText(serializers.Serializer[Any]):
    """The search text, sent in the body because a URL must not contain patient data."""

    text = serializers.CharField(max_length=200, help_text="Words, all of which must be found.")


class NoBody(serializers.Serializer[Any]):
    """A request that needs no body."""
