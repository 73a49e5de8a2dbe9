"""The scheduler's application: `celery --app chaos.mortal.scheduler`."""

from scheduler.app import app

# isort: split
# Django is set up by now.

from chaos.points import die_after, die_before
from scheduler import recovery
from webportal.audit import anchors

__all__ = ["app"]

die_after(recovery, "expire_leases", "leases-expired")
die_before(anchors, "_keep", "anchor-written")
