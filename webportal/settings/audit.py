"""The audit trail and the access log."""

from pathlib import Path

import environ

from webportal.auditexport.address import bearer_token, fhir_address, syslog_address
from webportal.settings.environment import VAR_DIR, env
from webportal.site import config as site

AUDIT_KEY = env.str("AUDIT_KEY")
# Earlier keys, one per line, by which what they signed is verified.
AUDIT_OLD_KEYS = env.str("AUDIT_OLD_KEYS", default="")
AUDIT_ANCHOR_FILE = Path(env.str("AUDIT_ANCHOR_FILE", default=str(VAR_DIR / "audit" / "anchors")))
# Additional locations for the same anchors: a file, best on another host, and a syslog server.
AUDIT_ANCHOR_COPY = Path(copy) if (copy := env.str("AUDIT_ANCHOR_COPY", default="")) else None
AUDIT_ANCHOR_SYSLOG = env.str("AUDIT_ANCHOR_SYSLOG", default="")
# Where every entry is sent as a DICOM audit message: syslog+tls://host:port; PEM files.
AUDIT_EXPORT = syslog_address(env.str("AUDIT_EXPORT", default=""))
# Where every entry is sent as a FHIR AuditEvent: the base of the server; a bearer token.
AUDIT_EXPORT_FHIR = fhir_address(env.str("AUDIT_EXPORT_FHIR", default=""))
AUDIT_EXPORT_FHIR_TOKEN = bearer_token(env.str("AUDIT_EXPORT_FHIR_TOKEN", default=""))
AUDIT_EXPORT_CA = env.str("AUDIT_EXPORT_CA", default="")
AUDIT_EXPORT_CERTIFICATE = env.str("AUDIT_EXPORT_CERTIFICATE", default="")
AUDIT_EXPORT_KEY = env.str("AUDIT_EXPORT_KEY", default="")
AUDIT_EXPORT_LATE_MINUTES = env.int("AUDIT_EXPORT_LATE_MINUTES", default=15)
# How many days entries of the access log are kept, 0 for indefinitely; at least a year.
ACCESS_LOG_DAYS = env.int("ACCESS_LOG_DAYS", default=3653)
if 0 < ACCESS_LOG_DAYS < 366:
    raise environ.ImproperlyConfigured("ACCESS_LOG_DAYS must be 0 or at least 366.")
AUDIT_CHECKS = site.AUDIT_CHECKS
