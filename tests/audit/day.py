"""A small hospital's day, made by the portal's own services, so that all of it is in the trail."""

from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

from tests import dicom_files
from tests.conftest import PASSWORD
from tests.factories import make_package
from tests.reading import add_addendum, sign
from webportal.accounts import services as accounts
from webportal.accounts.models import Role, User
from webportal.inference import registry
from webportal.inference.claims import JobResult, claim, write_back
from webportal.inference.queue import rerun
from webportal.intake.batches.services import create_batch
from webportal.intake.pipeline import receive_file
from webportal.reasons import NO_REASON, Reason
from webportal.records.choices import Priority
from webportal.records.identity import identity_version
from webportal.records.models import Radiograph, Study
from webportal.records.services import change_patient
from webportal.review.reads.corrections import take_note
from webportal.review.reads.decisions import open_choices
from webportal.review.reads.queries import leading_prediction
from webportal.review.reads.services import Entry
from webportal.review.reads.taking_back import take_back
from webportal.review.study.case_records import assign_known_patient
from webportal.review.worklist.bulk import prioritise

ANSWERS = (("likely", 0.93), ("unlikely", 0.0421), ("indeterminate", 0.5), ("not_assessable", None))


@dataclass
class People:
    """Who works in the hospital."""

    it: User
    uploader: User
    reader: User
    other_reader: User
    coordinator: User


def hire() -> People:
    """Make the people; the passwords of those who sign are PASSWORD."""
    it, _ = accounts.create_user("it", "IT", [Role.IT], None)
    people = [
        accounts.create_user(name, name, [role], it)[0]
        for name, role in (
            ("uploader", Role.UPLOADER),
            ("reader", Role.RADIOLOGIST),
            ("other_reader", Role.RADIOLOGIST),
            ("coordinator", Role.COORDINATOR),
        )
    ]
    for person in people:
        person.set_password(PASSWORD)
        person.must_change_password = False
        person.save()
    accounts.change_user(people[0], roles=[Role.UPLOADER, Role.REFERRER], is_active=True, by=it)
    return People(it, *people)


def analyse() -> None:
    """Let a worker answer whatever waits, in the order of ANSWERS."""
    jobs = claim("worker", 32)
    model = registry.active_model()
    assert model is not None
    results = []
    for number, job in enumerate(jobs):
        category, probability = ANSWERS[number % len(ANSWERS)]
        refused = probability is None
        results.append(
            JobResult(
                job,
                category,
                probability,
                Reason("no_contrast") if refused else NO_REASON,
                bytes([number]) * 49,
                7,
                7,
                None if refused else 0.25,
                "" if refused else "inverted",
            )
        )
    assert write_back("worker", "CPU", model, results) == len(jobs)


def spend(folder: Path) -> People:
    """Spend the day; packages are made in `folder`."""
    people = hire()
    registry.register(make_package(folder / "1.0"), None)
    registry.register(make_package(folder / "1.1"), None)
    batch = create_batch(people.uploader)
    for number in range(5):
        data = dicom_files.dicom(
            dicom_files.phantom(seed=number),
            PatientID=f"P{min(number, 3)}",
            PatientName=f"Doe^Jane {min(number, 3)}",
            ViewPosition="AP",
            PatientAge="003Y",
            PatientBirthDate="20210101",
            StudyDate="20240229",
        )
        [item] = receive_file(batch, f"{number}.dcm", BytesIO(data), people.uploader)
        assert item.radiograph is not None, item.reason
    analyse()
    images = list(Radiograph.objects.order_by("created_at"))
    for image in images[:2]:
        rerun(image, people.uploader)
    analyse()
    _read(people, [Study.objects.get(pk=image.study_id) for image in images])
    accounts.create_token(people.uploader, "modality")
    accounts.create_token(people.reader, "script")
    return people


def _read(people: People, studies: list[Study]) -> None:
    first, second, third, fourth, fifth = studies
    prioritise([fifth.pk], Priority.STAT, people.coordinator)
    read = sign(first, people.reader, confirm(first), PASSWORD)
    add_addendum(read, people.reader, "typo", "Left, not right.", PASSWORD)
    signed = sign(second, people.other_reader, confirm(second), PASSWORD)
    again = confirm(second, amends=signed.pk, reason="more to say")
    sign(second, people.other_reader, again, PASSWORD)
    take_back(sign(third, people.reader, confirm(third), PASSWORD), people.reader)
    change_patient(first.patient, {"name": "Doe^Janet"}, people.reader, "as her passport says")
    take_note(first, people.reader)
    change_patient(third.patient, {"birth_date": date(2021, 2, 3)}, people.uploader)
    version = _version(third)
    assign_known_patient(fourth, third.patient, version, people.uploader)
    assign_known_patient(second, third.patient, version, people.reader, "mixed up")


def _version(study: Study) -> str:
    return identity_version(Study.objects.get(pk=study.pk).patient)


def confirm(study: Study, **more: Any) -> Entry:
    """The first read that fits the study's result."""
    current = leading_prediction(study)
    assert current is not None
    decision, pneumonia = open_choices(current.shown_category)[0]
    return Entry(
        seen=current.pk,
        decision=decision,
        pneumonia=pneumonia,
        zones=("left_lower",) if pneumonia in ("possible", "definite") else (),
        other_findings=("effusion",),
        comment="As the model says.",
        **more,
    )
