"""Exports from the request to their end."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
from django.core.files.storage import default_storage
from django.db.models import Q
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests import dicom_files
from tests.factories import make_patient, make_prediction, make_radiograph, make_study, replace_file
from tests.helpers import audit_actions, database_url
from webportal.access.models import AccessEntry, AccessKind
from webportal.accounts.models import Department, Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.inference.models import Prediction
from webportal.records.choices import ReadingState
from webportal.records.models import Study
from webportal.research import building, selection, services
from webportal.research.models import ExportedStudy, Removal, ResearchExport, ResearchExportState
from webportal.review.models import Decision, Pneumonia, Read, ReadState

pytestmark = pytest.mark.django_db

NAME, NUMBER = "LAMPRECHT", "47114711"


def study_with(number: int = 1, **fields: Any) -> Study:
    """A signed study of somebody with a name, with an image that says that no text is burnt in."""
    if "patient" not in fields:
        fields["patient"] = make_patient(patient_id=f"{NUMBER}-{number}", name=f"{NAME}^Anna")
    study = make_study(accession_number=f"{NAME}-A{number}", **fields)
    image_of(study, seed=number)
    return study


def image_of(study: Study, seed: int = 0, **elements: Any) -> Any:
    prediction = make_prediction(make_radiograph(study))
    elements = {"BurnedInAnnotation": "NO", "PatientName": f"{NAME}^Anna"} | elements
    ds = dicom_files.dataset(dicom_files.phantom(12, seed=seed), 12, **elements)
    ds.StudyInstanceUID, ds.PatientID = study.study_instance_uid, study.patient.patient_id
    replace_file(prediction.radiograph, dicom_files.file_bytes(ds))
    return prediction.radiograph


def sign(study: Study, reader: User, **fields: Any) -> Read:
    values: dict[str, Any] = {
        "decision": Decision.UNAIDED,
        "pneumonia": Pneumonia.DEFINITE,
        "zones": ["right_lower"],
        "comment": f"Dear Ms {NAME}",
        "signed_at": timezone.now() - timedelta(minutes=5),
    }
    read = Read.objects.create(
        study=study, reader=reader, state=ReadState.SIGNED, **values | fields
    )
    Study.objects.filter(pk=study.pk).update(reading_state=ReadingState.SIGNED)
    return read


def ask(by: User, **fields: Any) -> ResearchExport:
    asked = ResearchExport(**{"purpose": "Protocol 7", "signed_only": False} | fields)
    return services.request(asked, by)


def made(by: User, **fields: Any) -> ResearchExport:
    export = ask(by, **fields)
    assert building.make_waiting() == 1
    export.refresh_from_db()
    return export


def opened(export: ResearchExport) -> zipfile.ZipFile:
    with default_storage.open(export.key) as file:
        return zipfile.ZipFile(io.BytesIO(file.read()))


def rows_of(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


def test_an_export_holds_images_results_and_reads_and_nobody_s_name(
    researcher: User, radiologist: User
) -> None:
    patient = make_patient(patient_id=NUMBER, name=f"{NAME}^Anna")
    study, other = study_with(1, patient=patient), study_with(2, patient=patient)
    third = study_with(3)
    sign(study, radiologist)
    Prediction.objects.filter(radiograph__study=study).update(assessed_as="adult")
    export = made(researcher)
    assert (export.state, export.failure) == (ResearchExportState.READY, "")
    assert export.counts == {"patients": 2, "studies": 3, "images": 3, "reads": 1}
    archive = opened(export)
    known = [NAME, NUMBER, radiologist.username, patient.pk, export.requested_by.username]
    for each in (study, other, third):
        known += [each.pk, each.study_instance_uid, each.patient_id]
        known += [image.sop_instance_uid for image in each.radiographs.all()]
    for member in archive.infolist():
        data = archive.read(member).lower() + member.filename.encode().lower()
        assert [word for word in known if str(word).lower().encode() in data] == []
        assert member.date_time == (1980, 1, 1, 0, 0, 0)
    images, studies = rows_of(archive, "images.csv"), rows_of(archive, "studies.csv")
    assert len({row["patient"] for row in studies}) == 2
    assert len({row["study"] for row in studies}) == 3
    for row in images:
        ds = pydicom.dcmread(io.BytesIO(archive.read(row["file"])))
        assert (ds.PatientID, ds.SOPInstanceUID) == (row["patient"], row["sop_instance_uid"])
        uid = next(each for each in studies if each["study"] == row["study"])
        assert ds.StudyInstanceUID == uid["study_instance_uid"]
        assert row["model_version"]
    assert sorted(row["assessed_as"] for row in images) == ["", "", "adult"]
    [read] = rows_of(archive, "reads.csv")
    assert (read["pneumonia"], read["zones"], read["reader"]) == (
        "definite",
        "right_lower",
        "R0001",
    )
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["counts"] == export.counts
    assert manifest["model_versions"] == sorted({row["model_version"] for row in images})
    assert manifest["purpose"] == "Protocol 7"
    assert "113100" in manifest["profile"]
    assert any("where text was found" in limit for limit in manifest["limits"])


def test_what_is_left_out_is_listed_with_the_reason(researcher: User) -> None:
    study = study_with()
    image_of(study, BurnedInAnnotation="YES")
    image_of(study, BurnedInAnnotation=None)
    upload = make_radiograph(study, media_type="image/png")
    damaged = image_of(study)
    default_storage.delete(damaged.dicom_key)
    burned = study_with(2)
    for image in burned.radiographs.all():
        replace_file(image, dicom_files.dicom(dicom_files.phantom(), BurnedInAnnotation="YES"))
    export = made(researcher)
    assert export.left_out == {"burned_in": 2, "not_stated": 1, "upload": 1, "file": 1}
    assert export.counts["studies"] == 1
    assert upload.pk
    archive = opened(export)
    manifest = json.loads(archive.read("manifest.json"))
    assert sorted(each["reason"] for each in manifest["left_out"]) == sorted(
        ["burned_in", "burned_in", "not_stated", "upload", "file"]
    )
    assert set(manifest["reasons"]) == set(export.left_out)
    assert list(export.studies.values_list("study", flat=True)) == [study.pk]


def test_images_with_text_are_listed_for_those_who_may_open_them(
    make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    radiologist = make_user(Role.RESEARCHER, Role.RADIOLOGIST)
    study_with()
    written = study_with(2, reading_state=ReadingState.SIGNED)
    pixels = dicom_files.with_text(dicom_files.phantom(size=(600, 500)), "DOE^JANE", 24, 255)
    replace_file(written.radiographs.get(), dicom_files.dicom(pixels, BurnedInAnnotation="NO"))
    export = made(radiologist)
    assert export.left_out == {"text": 1}
    manifest = json.loads(opened(export).read("manifest.json"))
    assert [each["reason"] for each in manifest["left_out"]] == ["text"]
    place = f"/studies/{written.pk}"
    client = sign_in(radiologist)
    assert f'href="{place}"' in client.get("/research").text
    assert client.get(place).status_code == 200
    radiologist.roles = [Role.RESEARCHER]
    radiologist.save()
    page = client.get("/research").text
    assert "seems to be text" in page
    assert place not in page


def test_pseudonyms_differ_from_export_to_export(researcher: User) -> None:
    study_with()
    one, two = (opened(made(researcher)) for _ in range(2))
    uids = [rows_of(each, "studies.csv")[0]["study_instance_uid"] for each in (one, two)]
    assert uids[0] != uids[1]


def test_only_studies_of_the_own_departments_and_of_the_filter(
    researcher: User, radiologist: User
) -> None:
    elsewhere = Department.objects.create(name="Elsewhere")
    study_with(1, department=elsewhere)
    study_with(2, is_phantom=True)
    study_with(5, reading_state=ReadingState.PRIOR)
    early = study_with(3, performed_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
    late = study_with(4, performed_at=datetime(2026, 5, 1, 12, tzinfo=UTC))
    sign(late, radiologist)

    def studies_of(**fields: Any) -> set[Any]:
        return set(made(researcher, **fields).studies.values_list("study", flat=True))

    assert studies_of() == {early.pk, late.pk}
    assert studies_of(until=date(2026, 4, 1)) == {early.pk}
    assert studies_of(since=date(2026, 5, 1), until=date(2026, 5, 1)) == {late.pk}
    assert studies_of(signed_only=True) == {late.pk}
    assert studies_of(category=early.category or Study.objects.get(pk=early.pk).category) != set()
    with pytest.raises(services.ResearchError, match="No study matches"):
        ask(researcher, since=date(2030, 1, 1))


def test_the_trail_names_the_request_each_study_and_each_download(
    researcher: User, sign_in: Callable[[User], Client]
) -> None:
    studies = {study_with(number).pk for number in (1, 2)}
    export = made(researcher)
    answer = sign_in(researcher).get(f"/research/{export.pk}.zip")
    assert answer.status_code == 200
    assert zipfile.ZipFile(io.BytesIO(b"".join(answer))).testzip() is None
    entries = AuditEntry.objects.filter(actor=researcher.username)
    asked = entries.get(action=Action.RESEARCH_REQUESTED)
    assert asked.detail["purpose"] == "Protocol 7"
    exported = entries.filter(action=Action.STUDY_EXPORTED)
    assert set(exported.values_list("study_id", flat=True)) == studies
    assert entries.get(action=Action.RESEARCH_DOWNLOADED).object_id == str(export.pk)
    entry = AccessEntry.objects.get(route="research:download")
    assert (entry.kind, set(entry.study_ids)) == (AccessKind.EXPORT, studies)


def test_nobody_else_opens_or_removes_an_export(
    researcher: User, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    study_with()
    export = made(researcher)
    other = sign_in(make_user(Role.RESEARCHER, username="other"))
    assert other.get(f"/research/{export.pk}.zip").status_code == 404
    assert other.post(f"/research/{export.pk}/remove").status_code == 404
    assert NAME not in other.get("/research").text


def test_a_user_who_left_the_department_can_open_nothing_of_it(
    researcher: User, sign_in: Callable[[User], Client]
) -> None:
    study_with()
    export = made(researcher)
    Department.objects.create(name="Elsewhere")
    researcher.departments.clear()
    answer = sign_in(researcher).get(f"/research/{export.pk}.zip", follow=True)
    assert "no longer belong to" in answer.text
    assert Action.RESEARCH_DOWNLOADED not in audit_actions()


def test_a_user_who_lost_the_role_gets_no_export(researcher: User) -> None:
    study_with()
    export = ask(researcher)
    User.objects.filter(pk=researcher.pk).update(roles=[Role.UPLOADER])
    building.make_waiting()
    export.refresh_from_db()
    assert (export.state, export.failure, export.key) == (
        ResearchExportState.FAILED,
        "not_allowed",
        "",
    )


def test_an_export_without_any_image_fails_and_says_why(researcher: User) -> None:
    image_of(make_study(), BurnedInAnnotation="YES")
    export = made(researcher)
    assert (export.state, export.failure) == (ResearchExportState.FAILED, "nothing")
    assert export.left_out == {"burned_in": 1}
    assert not ExportedStudy.objects.exists()


def test_a_radiologist_gets_no_study_whose_result_is_hidden_from_them(
    make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = make_user(Role.RESEARCHER, Role.RADIOLOGIST)
    hidden, seen = study_with(1), study_with(2)
    monkeypatch.setattr(selection, "withheld_results", lambda *_, **__: Q(pk=hidden.pk))
    assert set(made(person).studies.values_list("study", flat=True)) == {seen.pk}


def test_an_export_expires(researcher: User, settings: Settings) -> None:
    settings.RESEARCH_EXPORT_DAYS = 0
    study_with()
    export = made(researcher)
    key = export.key
    assert default_storage.exists(key)
    services.remove_expired()
    export.refresh_from_db()
    assert (export.state, export.removal, export.key) == (
        ResearchExportState.REMOVED,
        Removal.EXPIRED,
        "",
    )
    assert not default_storage.exists(key)
    assert Action.RESEARCH_REMOVED in audit_actions()
    assert ExportedStudy.objects.filter(export=export).exists()


def test_what_a_killed_process_left_behind_is_removed_after_a_day(
    researcher: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_with()
    export = made(researcher)
    left = default_storage.save("research/left-1.zip", io.BytesIO(b"half"))
    services.remove_expired()
    assert default_storage.exists(left)
    monkeypatch.setattr(services, "_LEFT_BEHIND", timedelta(0))
    services.remove_expired()
    assert not default_storage.exists(left)
    assert default_storage.exists(export.key)


def test_only_one_at_a_time_and_not_too_many(
    researcher: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_with()
    monkeypatch.setattr(services, "MOST_STUDIES", 0)
    with pytest.raises(services.ResearchError, match="Choose fewer"):
        ask(researcher)
    monkeypatch.undo()
    ask(researcher)
    with pytest.raises(services.ResearchError, match="last export"):
        ask(researcher)


def test_an_interrupted_export_is_retried_but_not_for_ever(researcher: User) -> None:
    study_with()
    export = ask(researcher)
    long_ago = timezone.now() - timedelta(hours=1)
    found = ResearchExport.objects.filter(pk=export.pk)
    found.update(state=ResearchExportState.BUILDING, seen_at=long_ago, attempts=1)
    building._take_back_silent()
    assert found.get().state == ResearchExportState.WAITING
    found.update(attempts=building.MOST_ATTEMPTS)
    building.make_waiting()
    assert (found.get().state, found.get().failure) == (ResearchExportState.FAILED, "internal")


def test_one_that_is_given_up_while_it_is_made_leaves_nothing(
    researcher: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_with()
    export = ask(researcher)
    store = building._store

    def give_up(*args: Any) -> None:
        services.remove(export, Removal.BY_PERSON, researcher)
        store(*args)

    monkeypatch.setattr(building, "_store", give_up)
    building.make_waiting()
    export.refresh_from_db()
    assert export.state == ResearchExportState.REMOVED
    assert default_storage.listdir("research")[1] == []


@pytest.mark.django_db(transaction=True)
def test_the_scheduler_starts_a_process_that_makes_it(
    researcher: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url())
    monkeypatch.setenv("STORAGE_URL", f"file://{tmp_path / 'storage'}")
    monkeypatch.setenv("UPLOAD_MIN_FREE_BYTES", "0")
    assert not building.start_if_due()
    study_with()
    export = ask(researcher)
    assert building.start_if_due()
    assert building._process.wait(240) == 0
    export.refresh_from_db()
    assert (export.state, export.failure) == (ResearchExportState.READY, "")
    assert default_storage.exists(export.key)


def test_the_page_asks_for_an_export_and_shows_it(
    researcher: User, sign_in: Callable[[User], Client]
) -> None:
    study_with()
    browser = sign_in(researcher)
    assert "Give the purpose" not in browser.get("/research").text
    assert browser.post("/research", {"purpose": ""}).status_code == 200
    assert not ResearchExport.objects.exists()
    values = {"purpose": "Protocol 7", "since": "2026-05-02", "until": "2026-05-01"}
    assert "before the first day" in browser.post("/research", values).text
    answer = browser.post("/research", {"purpose": "Protocol 7"}, follow=True)
    assert "Requested" in answer.text
    building.make_waiting()
    page = browser.get("/research").text
    export = ResearchExport.objects.get()
    assert f"/research/{export.pk}.zip" in page
    assert NAME not in page
    browser.post(f"/research/{export.pk}/remove")
    export.refresh_from_db()
    assert export.removal == Removal.BY_PERSON
    assert "no file any more" in browser.get(f"/research/{export.pk}.zip", follow=True).text
