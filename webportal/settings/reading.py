"""Reading, second reads, and notifications."""

import environ

from webportal.settings.environment import env

# ── Reading ─────────────────────────────────────────────────────────────────────────────────────
# How long 'Next' keeps a study for its reader after the open page last reported.
RESERVATION_SECONDS = env.int("RESERVATION_SECONDS", default=900)
# How many minutes after a stat study was assigned 'Next' gives it to others, unless its reader has
# reserved it; 0 for never.
STAT_ASSIGNED_MINUTES = env.float("STAT_ASSIGNED_MINUTES", default=15)
# How many minutes after a signature the signing PIN is accepted instead of the password.
SIGNING_PIN_MINUTES = env.int("SIGNING_PIN_MINUTES", default=15)
# How many minutes without input until a session is locked; 0 for never.
SESSION_LOCK_MINUTES = env.float("SESSION_LOCK_MINUTES", default=15)
# Whether a share of the studies, and every overruled positive, goes to a second reader.
SECOND_READING = env.bool("SECOND_READING", default=False)
SECOND_READING_SHARE = env.float("SECOND_READING_SHARE", default=0.05)
SECOND_READING_BLIND_TO_AI = env.bool("SECOND_READING_BLIND_TO_AI", default=False)

# ── Notifications ───────────────────────────────────────────────────────────────────────────────
# How long a stat study may wait unread before radiologists are notified.
STAT_UNREAD_MINUTES = env.int("STAT_UNREAD_MINUTES", default=30)
# The minimum interval between two e-mails to a user about waiting stat studies.
STAT_DIGEST_MINUTES = env.int("STAT_DIGEST_MINUTES", default=60)
# E-mail is off until a mail server is named; its links need the address that people use.
MAIL_ENABLED = bool(env.str("EMAIL_URL", default=""))
PORTAL_URL = env.str("PORTAL_URL", default="")
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="chestline@localhost")
if MAIL_ENABLED:
    vars().update(env.email_url("EMAIL_URL"))
    # A mail server that does not answer must not hold up the scheduler.
    EMAIL_TIMEOUT = 15
    if not PORTAL_URL:
        raise environ.ImproperlyConfigured(
            "EMAIL_URL is set, so PORTAL_URL must be too: the address that people open, such as "
            "https://chestline.hospital.example."
        )
