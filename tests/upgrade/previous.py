"""The previous release, for the tests of upgrades: its commit, its migrations, its claim.

Renewed after each release (docs/release.md); `test_previous_programs.py` compares migrations and
claim with the commit. 0.1.0 is stopped for an upgrade, so until the next release this is the last
commit before migrations had to leave earlier programs working.
"""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from deploy.local.packages import ROOT

COMMIT = "4be7932c1c7f5d98e506a777d98cdfff8b73a31c"

#: The newest migration of each app.
MIGRATIONS = [
    ("access", "0003_erased_criteria"),
    ("accounts", "0017_researcher"),
    ("audit", "0017_named_key"),
    ("auditexport", "0001_initial"),
    ("backups", "0001_initial"),
    ("delivery", "0007_withdrawals"),
    ("erasure", "0002_unreadable_files"),
    ("inference", "0015_rejudged"),
    ("intake", "0005_priors"),
    ("network", "0007_node_tls"),
    ("notifications", "0012_overdue_reviews"),
    ("orders", "0002_worklists"),
    ("oversight", "0002_drift"),
    ("records", "0017_priors"),
    ("research", "0001_initial"),
    ("retention", "0001_initial"),
    ("review", "0015_erased_reads"),
    ("upkeep", "0002_check_of_the_storage"),
]

#: What a worker of the release claims with.
CLAIM = """
WITH line AS MATERIALIZED (
    SELECT id, attempt, priority, queued_at FROM inference_job
    WHERE state = 'queued'
        AND priority = ANY(ARRAY(
            SELECT open FROM unnest(%(priorities)s::smallint[]) AS open WHERE NOT EXISTS (
                SELECT FROM inference_queuepause AS pause
                WHERE pause.priority IS NULL OR pause.priority = open)))
        AND NOT EXISTS (SELECT FROM inference_worker WHERE name = %(worker)s AND is_draining)
    ORDER BY priority, queued_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), numbered AS (
    SELECT id, row_number() OVER in_order AS number,
        count(*) FILTER (WHERE attempt > 0) OVER in_order AS retries
    FROM line WINDOW in_order AS (ORDER BY priority, queued_at, id)
)
UPDATE inference_job AS job
SET state = 'running', worker = %(worker)s, attempt = job.attempt + 1, started_at = now(),
    leased_until = now() + %(lease)s
FROM numbered, records_radiograph AS radiograph
WHERE job.id = numbered.id AND radiograph.id = job.radiograph_id
    AND (numbered.retries = 0 OR numbered.number = 1 AND NOT %(busy)s)
RETURNING job.id, job.attempt, job.radiograph_id, radiograph.dicom_key,
    radiograph.dicom_sha256, job.traceparent
"""


def is_available() -> bool:
    """Whether the release's commit is here, as it is not in a shallow clone or without git."""
    try:
        found = subprocess.run(
            ["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return found.returncode == 0


def unpack(folder: Path) -> None:
    """Unpack the release's programs into `folder`."""
    command = ["git", "archive", COMMIT, "manage.py", "pyproject.toml", "ml", "workers"]
    packed = subprocess.run(
        [*command, "scheduler", "webportal", ":!webportal/frontend"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    built = folder / "webportal" / "static" / "dist"
    if not built.exists():
        built.symlink_to((ROOT / "webportal" / "static" / "dist").resolve())
