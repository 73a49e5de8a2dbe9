"""Uploads, checks of stored files, and how long studies are kept."""

from pathlib import Path

from webportal.settings.environment import VAR_DIR, env

UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=200 * 1024**2)
UPLOAD_MAX_ARCHIVE_BYTES = env.int("UPLOAD_MAX_ARCHIVE_BYTES", default=4 * 1024**3)
# How many ZIP files each portal process unpacks at once, and the time limit for each.
UPLOAD_ARCHIVES_AT_ONCE = env.int("UPLOAD_ARCHIVES_AT_ONCE", default=2)
UPLOAD_ARCHIVE_SECONDS = env.int("UPLOAD_ARCHIVE_SECONDS", default=15 * 60)
UPLOAD_MIN_FREE_BYTES = env.int("UPLOAD_MIN_FREE_BYTES", default=1024**3)
# How long unreferenced files stay in the trash.
STORAGE_TRASH_DAYS = env.int("STORAGE_TRASH_DAYS", default=30)
# If more files, or a larger share of the recorded images, would go within a day, removal pauses
# until hospital IT has reviewed it.
STORAGE_REMOVAL_FILES = env.int("STORAGE_REMOVAL_FILES", default=100)
STORAGE_REMOVAL_SHARE = env.float("STORAGE_REMOVAL_SHARE", default=0.02)
# The interval in days at which the scheduler compares all stored files with their checksums, 0 for
# never, and its maximum read rate in megabytes per second.
STORAGE_CHECK_DAYS = env.int("STORAGE_CHECK_DAYS", default=7)
STORAGE_CHECK_MEGABYTES = env.float("STORAGE_CHECK_MEGABYTES", default=5)
# The retention period in years after the examination or the last signature, 0 for none; the age
# that minors must have reached before their studies are due.
RETENTION_YEARS = env.int("RETENTION_YEARS", default=0)
RETENTION_MINORS_UNTIL = env.int("RETENTION_MINORS_UNTIL", default=0)
# How long the file of a research export is kept.
RESEARCH_EXPORT_DAYS = env.int("RESEARCH_EXPORT_DAYS", default=7)
# Where the portal's server spools request and response bodies: on disk, not in memory.
UPLOAD_TEMP_DIR = Path(env.str("UPLOAD_TEMP_DIR", default=str(VAR_DIR / "incoming")))
# How many requests are handled at once, how many uploads in addition, and how many files one user
# may send at the same time.
PORTAL_THREADS = env.int("PORTAL_THREADS", default=8)
UPLOADS_AT_ONCE = env.int("UPLOADS_AT_ONCE", default=4)
UPLOADS_PER_PERSON = env.int("UPLOADS_PER_PERSON", default=8)
FILE_UPLOAD_TEMP_DIR = None
FILE_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024**2
