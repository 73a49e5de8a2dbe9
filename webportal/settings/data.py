"""The database, stored files and backups."""

from webportal.database.config import address_of, database_from_url
from webportal.settings.environment import VAR_DIR, env
from webportal.storage import storage_from_url

# The role of DATABASE_URL need not own the tables: `manage.py prepare` alone connects as the owner.
# A file that has it may end with a line feed.
DATABASE_URL = env.str("DATABASE_URL").strip()
DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", default="").strip()
if DATABASE_OWNER_URL:
    address_of(DATABASE_OWNER_URL, "DATABASE_OWNER_URL")
# A statement that takes longer is cancelled; 0 for never. The portal sets 30 (webportal.wsgi): no
# page waits longer for a lock or a slow disk, while workers and commands may take their time.
DATABASES = {
    "default": database_from_url(DATABASE_URL, env.int("DATABASE_STATEMENT_SECONDS", default=0))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STORAGES = {
    "default": storage_from_url(env.str("STORAGE_URL", default=f"file://{VAR_DIR}/storage")),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# Where encrypted backups go, their recipients (public age keys), and the secret key for reading
# them, needed only for restoring.
BACKUP_REPOSITORY = env.str("BACKUP_REPOSITORY", default="")
BACKUP_RECIPIENTS = env.list("BACKUP_RECIPIENTS", default=[])
BACKUP_IDENTITY = env.str("BACKUP_IDENTITY", default="")
# How often the scheduler makes a backup, 0 for never; hospital IT is alerted when the last is
# older.
BACKUP_EVERY_HOURS = env.float("BACKUP_EVERY_HOURS", default=0)
BACKUP_MAX_AGE_HOURS = env.float("BACKUP_MAX_AGE_HOURS", default=48)
# How often the scheduler verifies the newest backup, 0 for never.
BACKUP_VERIFY_HOURS = env.float("BACKUP_VERIFY_HOURS", default=168)
# Older ones are deleted after the next complete one; 0 keeps all.
BACKUP_KEEP_DAYS = env.int("BACKUP_KEEP_DAYS", default=0)
# Where the PostgreSQL of a single machine copies its write-ahead log for point-in-time recovery;
# `make run` sets it with ARCHIVE_WAL.
WAL_OUTBOX = env.str("WAL_OUTBOX", default="")
if BACKUP_REPOSITORY:
    STORAGES["backups"] = storage_from_url(BACKUP_REPOSITORY, "BACKUP_REPOSITORY")
