"""Settings of a portal without the access log, for comparison only."""

from webportal.settings import *  # noqa: F403
from webportal.settings import MIDDLEWARE

MIDDLEWARE.remove("webportal.access.middleware.record_access")
