"""OpenAPI schema: adds roles to descriptions and problems to responses."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from webportal.accounts.models import Role
from webportal.api.filters import OPEN, OPENING
from webportal.api.permissions import EVERYONE, ByRole
from webportal.api.problems import MEDIA_TYPE, Problem

DESCRIPTIONS = {
    "400": "Some values are not valid.",
    "401": "No token, or an invalid one.",
    "403": "Not allowed for your role, or you must choose your own password first.",
    "404": "There is no such thing.",
    "default": "Any other problem.",
}
OPENS_RESULTS = OpenApiParameter(
    OPENING,
    enum=[OPEN],
    description="`open` shows results of unread studies to a caller who reads first.",
)


class APITokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the token in the OpenAPI document."""

    target_class = "webportal.api.authentication.APITokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """The header, its prefix and how to get a token."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token` followed by a token from `POST /api/v1/tokens` or the portal.",
        }


class Schema(AutoSchema):
    """Generates the description of one operation."""

    def get_description(self) -> str:  # type: ignore[override]
        """The action's docstring and the roles allowed to use it."""
        action = getattr(self.view, "action", None)
        roles = getattr(self.view, "roles", {}).get(action, ())
        if not roles:
            return str(super().get_description())
        names = (
            "everyone" if roles == EVERYONE else ", ".join(str(Role(role).label) for role in roles)
        )
        return f"{super().get_description()}\n\nOpen to: {names}."

    def get_override_parameters(self) -> Any:
        """Add the parameter that opens results to those that the action declares."""
        declared = super().get_override_parameters()
        action = getattr(self.view, "action", None)
        is_switched = action in getattr(self.view, "opens_results", ())
        return [*declared, OPENS_RESULTS] if is_switched else declared

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Add the problems that the operation may answer with."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        codes = ["default"]
        if ByRole in self.view.permission_classes:
            codes += ["401", "403"]
        if "{" in self.path:
            codes.append("404")
        is_list = getattr(self.view, "action", None) == "list"
        has_query = any(each["in"] == "query" for each in operation.get("parameters", ()))
        if self.method != "GET" or is_list or has_query:
            codes.append("400")
        schema = self.resolve_serializer(Problem, "response").ref
        for code in sorted(codes):
            operation["responses"][code] = {
                "content": {MEDIA_TYPE: {"schema": schema}},
                "description": DESCRIPTIONS[code],
            }
        return operation
