"""python -m bench.many_studies N: fill a database with studies for the worklist's benchmark.

Names consist of random syllables. States, results, priorities and readers are drawn with a
fixed seed and distributed as in a busy department. Prints what the benchmark needs: a session in
which a radiologist is signed in, and places deep in the list.
"""

import json
import random
import sys
from datetime import timedelta
from typing import Any

import django

BATCH = 5000
SYLLABLES = [
    "ba",
    "be",
    "bi",
    "bo",
    "da",
    "de",
    "di",
    "do",
    "fa",
    "fe",
    "fi",
    "fo",
    "ka",
    "ke",
    "ki",
    "ko",
    "la",
    "le",
    "li",
    "lo",
    "ma",
    "mé",
    "mi",
    "mö",
]
# What a department sees in about a year.
MINUTES_APART = 5
SEARCHES = {
    "short": "ba",
    "common": "kal",
    "name": "Mebafi",
    "accented": "MEBAFI kö",
    "patient_id": "B0000042",
    "accession": "00000077",
    "nothing": "zzzzzz",
    "devanagari": "श्रेष्ठ",
}
CATEGORIES = {"likely": 12, "indeterminate": 14, "not_assessable": 4, "unlikely": 66, "": 4}
PROBABILITIES = {"likely": (0.8, 1), "indeterminate": (0.2, 0.8), "unlikely": (0, 0.2)}
JOB_STATES = {"queued": 37, "running": 1, "quarantined": 1, "cancelled": 1}


def main() -> None:
    """Migrate, create the given number of studies, and print session and cursors."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    sys.stdout.write(json.dumps(_fill(int(sys.argv[1]))))


def _fill(count: int) -> dict[str, Any]:
    from django.db import connection
    from django.db.models import F

    from webportal.accounts.models import Role, User
    from webportal.inference.models import Job
    from webportal.records.models import Patient, Radiograph, Study

    draw = random.Random(2026)
    reader = User.objects.create_user("reader", None, [Role.RADIOLOGIST, Role.COORDINATOR])
    other = User.objects.create_user("other", None, [Role.RADIOLOGIST])
    patients = Patient.objects.bulk_create(
        (_patient(number, draw) for number in range(max(count // 2, 1))), batch_size=BATCH
    )
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        studies = Study.objects.bulk_create(
            _study(count - number, draw, patients, reader, other) for number in numbers
        )
        radiographs = Radiograph.objects.bulk_create(_radiograph(study) for study in studies)
        Job.objects.bulk_create(_job(radiograph, draw) for radiograph in radiographs)
    Study.objects.update(created_at=F("performed_at"))
    with connection.cursor() as cursor:
        # As autovacuum does within minutes.
        cursor.execute("VACUUM (FULL, ANALYZE)")
        cursor.execute("VACUUM")
    return {"session": _session(reader), "places": _places(reader)}


def _patient(number: int, draw: random.Random) -> Any:
    from webportal.records.models import Patient

    family, given = ("".join(draw.choices(SYLLABLES, k=k)).title() for k in (3, 2))
    return Patient(patient_id=f"B{number:07}", issuer="BENCH", name=f"{family}^{given}")


def _study(number: int, draw: random.Random, patients: list[Any], reader: Any, other: Any) -> Any:
    """A study that arrived `number` intervals ago."""
    from django.utils import timezone

    from webportal.accounts.models import GENERAL
    from webportal.records.choices import Concern
    from webportal.records.models import Study

    (category,) = draw.choices(list(CATEGORIES), list(CATEGORIES.values()))
    probability = draw.uniform(*PROBABILITIES[category]) if category in PROBABILITIES else None
    return Study(
        patient=draw.choice(patients),
        study_instance_uid=f"2.25.{number}",
        accession_number=f"ACC{number:08}",
        indication=f"Cough and fever for {number % 9 + 1} days",
        priority=draw.choices([0, 1, 2], [3, 12, 85])[0],
        is_phantom=True,
        created_by=other,
        department_id=GENERAL,
        performed_at=timezone.now() - number * timedelta(minutes=MINUTES_APART),
        category=category,
        concern=Concern[category.upper() or "NO_RESULT"],
        probability=probability,
        reading_state=draw.choices(["unread", "signed"], [45, 55])[0],
        assigned_reader=draw.choices([None, reader, other], [94, 4, 2])[0],
    )


def _radiograph(study: Any) -> Any:
    from bench.records import DX
    from webportal.records.models import Radiograph

    return Radiograph(
        study=study,
        sop_instance_uid=f"{study.study_instance_uid}.1",
        sop_class_uid=DX,
        modality="DX",
        rows=1,
        columns=1,
        bits_stored=8,
        media_type="application/dicom",
        original_sha256=f"{study.pk.hex}{study.pk.hex}",
        original_key="none",
        original_bytes=1,
        dicom_sha256="0" * 64,
        dicom_key="none",
    )


def _job(radiograph: Any, draw: random.Random) -> Any:
    """The study's latest job: finished if there is a result, otherwise in some other state."""
    from django.utils import timezone

    from webportal.inference.models import Job

    study = radiograph.study
    state = {"": draw.choices(list(JOB_STATES), list(JOB_STATES.values()))[0]}.get(
        study.category, "refused" if study.category == "not_assessable" else "done"
    )
    reason = "The benchmark says so." if state in ("refused", "quarantined") else ""
    return Job(
        radiograph=radiograph,
        study=study,
        state=state,
        priority=study.priority,
        attempt=1,
        worker="bench" if state == "running" else "",
        leased_until=timezone.now() + timedelta(days=1) if state == "running" else None,
        queued_at=study.performed_at,
        finished_at=None if state in ("queued", "running") else study.performed_at,
        reason_code="bench" if reason else "",
        reason_params={"text": reason} if reason else {},
        created_by=study.created_by,
    )


def _session(reader: Any) -> str:
    """A session of the reader, who has searched for all of SEARCHES."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from webportal.accounts.sessions import SessionStore
    from webportal.records import searches

    session = SessionStore()
    session[SESSION_KEY] = str(reader.pk)
    session[BACKEND_SESSION_KEY] = "webportal.accounts.backends.ThrottledBackend"
    session[HASH_SESSION_KEY] = reader.get_session_auth_hash()
    session[searches.SESSION_KEY] = SEARCHES
    session.save()
    return str(session.session_key)


def _places(reader: Any) -> dict[str, str]:
    """Cursors at nine tenths of the list in each reading state and order."""
    from webportal.review.worklist.filters import matching
    from webportal.review.worklist.order import ORDERS

    places = {}
    for state in ("unread", "signed", "all"):
        studies = matching({"state": state}, "", reader)
        deep = studies.count() * 9 // 10
        for name, order in ORDERS.items():
            places[f"{state} {name}"] = order.cursor(order.sort(studies)[deep])
    return places


if __name__ == "__main__":
    main()
