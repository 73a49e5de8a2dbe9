"""Settings of a portal without the access log, for comparison alone."""

from webportal.settings import *  # noqa: F403
from webportal.settings import MIDDLEWARE

MIDDLEWARE.remove("webportal.access.middleware.record_access")
