"""What each route of the portal shows: the declaration that every route needs.

A route without one returns nothing (`middleware.py`), and one that shows patients must report them
(`shown.py`) in every response.
"""

from webportal.access.models import AccessKind
from webportal.access.routes import administration, api, dicomweb, pages
from webportal.access.routes.declarations import Declaration, UndeclaredError

ROUTES: dict[str, Declaration | None] = {
    name: Declaration(shows) if isinstance(shows, AccessKind) else shows
    for module in (pages, administration, api, dicomweb)
    for name, shows in module.ROUTES.items()
}


def declaration_of(route: str) -> Declaration | None:
    """What a route shows; raises UndeclaredError if it has no declaration."""
    try:
        return ROUTES[route]
    except KeyError:
        raise UndeclaredError(
            f"What {route or 'this route'} shows is not declared: add it to"
            " webportal/access/routes/."
        ) from None
