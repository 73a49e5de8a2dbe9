"""QIDO-RS: what is found, what of it is returned, and what is refused."""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pytest_django.asserts import assertNumQueries
from rest_framework.test import APIClient

from tests import dicom_files as files
from tests.dicomweb.conftest import STUDIES, Call, stow
from tests.factories import make_patient, make_radiograph, make_study
from webportal.access.models import AccessEntry, AccessKind
from webportal.accounts.models import User
from webportal.records.models import Radiograph, Study

UID, NAME, ID, DATE, TIME = "0020000D", "00100010", "00100020", "00080020", "00080030"
MODALITIES, SERIES_COUNT, INSTANCES = "00080061", "00201206", "00201208"
DESCRIPTION, URL = "00081030", "00081190"


@pytest.fixture
def found(reader: APIClient, db: None) -> Callable[..., list[str]]:
    """The Study Instance UIDs that a search finds."""

    def find(path: str = STUDIES, **keys: Any) -> list[str]:
        response = reader.get(path, keys)
        assert response.status_code == 200, response.json()
        return sorted(each[UID]["Value"][0] for each in response.json())

    return find


@pytest.fixture
def studies(db: None) -> list[Study]:
    """Three studies: of 1 May, of 2 May at ten, and one of which the day is unknown."""
    one = make_study(
        study_instance_uid="1.1",
        patient=make_patient(
            patient_id="A-1", name="Phantom^Anna", birth_date=date(2020, 2, 29), sex="F"
        ),
        performed_at=datetime(2026, 5, 1, tzinfo=UTC),
        accession_number="ACC1",
        description="Chest PA",
    )
    two = make_study(
        study_instance_uid="1.2",
        patient=make_patient(patient_id="B*2", name="Phantom^Bimal=चित्र^बिमल"),
        performed_at=datetime(2026, 5, 2, 10, 30, tzinfo=UTC),
        referring_physician="Doctor^Dina",
    )
    three = make_study(study_instance_uid="1.3", patient=make_patient(patient_id="a-1"))
    for study, modality in ((one, "DX"), (one, "CR"), (two, "CR"), (three, "DX")):
        make_radiograph(study, modality=modality)
    make_study(study_instance_uid="1.4")  # without an image there is nothing to retrieve
    return [one, two, three]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "123"),
        ({"StudyInstanceUID": "1.2"}, "2"),
        ({"0020000D": "1.1,1.2,9.9"}, "12"),
        ({"0020000d": "1.1\\1.2"}, "12"),
        ({"PatientID": "A-1"}, "1"),
        ({"PatientID": "?-1"}, "13"),
        ({"PatientID": "B*"}, "2"),
        ({"PatientName": "phantom^anna"}, "1"),
        ({"PatientName": "Phantom^B*"}, "2"),
        ({"PatientName": "*बिमल"}, "2"),
        ({"PatientName": "Phantom"}, ""),
        ({"PatientName": "Phantom^Bimal"}, "2"),
        ({"PatientBirthDate": "20200229"}, "1"),
        ({"PatientBirthDate": "20200101-20201231"}, "1"),
        ({"PatientSex": "F"}, "1"),
        ({"StudyDate": "20260501"}, "1"),
        ({"StudyDate": "20260501-"}, "12"),
        ({"StudyDate": "-20260501"}, "1"),
        ({"StudyDate": "20260502-20260601"}, "2"),
        ({"StudyTime": "1000-1030"}, "2"),
        ({"StudyTime": "10"}, "2"),
        ({"StudyTime": "1031-"}, ""),
        ({"AccessionNumber": "ACC?"}, "1"),
        ({"StudyDescription": "Chest*"}, "1"),
        ({"ReferringPhysicianName": "doctor^*"}, "2"),
        ({"ModalitiesInStudy": "CR"}, "12"),
        ({"Modality": "DX"}, "13"),
        ({"ModalitiesInStudy": "CR", "StudyDate": "20260502"}, "2"),
        ({"PatientName": "", "PatientID": "A-1"}, "1"),
    ],
)
def test_keys_narrow_the_search(
    studies: list[Study],
    found: Callable[..., list[str]],
    keys: dict[str, str],
    expected: str,
) -> None:
    assert found(**keys) == [f"1.{number}" for number in expected]


@pytest.mark.parametrize(
    "keys",
    [
        {"PatientComments": "x"},
        {"NoSuchKeyword": "x"},
        {"00101002.00100020": "x"},
        {"InstanceNumber": "1"},
        {"StudyDate": "2026"},
        {"StudyDate": "20260230"},
        {"StudyDate": "-"},
        {"StudyTime": "25"},
        {"limit": "many"},
        {"limit": "-1"},
        {"offset": "99999999999999999999"},
        {"fuzzymatching": "maybe"},
        {"includefield": "NoSuchKeyword"},
        {"PatientID": "a\0b"},
    ],
)
def test_unsupported_keys_are_refused_not_ignored(
    studies: list[Study], reader: APIClient, keys: dict[str, str]
) -> None:
    response = reader.get(STUDIES, keys)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_a_study_is_returned_with_what_the_standard_demands(
    studies: list[Study], reader: APIClient
) -> None:
    [one] = reader.get(STUDIES, {"StudyInstanceUID": "1.1"}).json()
    assert one[DATE] == {"vr": "DA", "Value": ["20260501"]}
    assert one[TIME] == {"vr": "TM"}  # midnight: only the day is known
    assert one[NAME] == {"vr": "PN", "Value": [{"Alphabetic": "Phantom^Anna"}]}
    assert one[MODALITIES] == {"vr": "CS", "Value": ["CR", "DX"]}
    assert (one[SERIES_COUNT]["Value"], one[INSTANCES]["Value"]) == ([1], [2])
    assert one[URL]["Value"] == ["http://testserver/dicom-web/studies/1.1"]
    assert one["00080056"]["Value"] == ["ONLINE"]
    assert one["00200010"] == {"vr": "SH"}
    [two] = reader.get(STUDIES, {"StudyInstanceUID": "1.2"}).json()
    assert two[TIME]["Value"] == ["103000"]
    assert two[NAME]["Value"] == [{"Alphabetic": "Phantom^Bimal", "Ideographic": "चित्र^बिमल"}]
    assert list(two) == sorted(two)


def test_pages_follow_each_other(studies: list[Study], reader: APIClient) -> None:
    first = reader.get(STUDIES, {"limit": 2})
    rest = reader.get(STUDIES, {"limit": 2, "offset": 2})
    assert [each[UID]["Value"][0] for each in first.json() + rest.json()] == ["1.3", "1.2", "1.1"]
    assert "There are 1 additional results" in first["Warning"]
    assert "Warning" not in rest
    assert reader.get(STUDIES, {"limit": 0}).json() == []
    assert reader.get(STUDIES, {"offset": 100}).json() == []
    assert reader.get(STUDIES, {"StudyInstanceUID": "9"}).json() == []


def test_a_warning_says_fuzzy_matching_is_unsupported(
    studies: list[Study], reader: APIClient
) -> None:
    response = reader.get(STUDIES, {"PatientName": "Fantom*", "fuzzymatching": "true"})
    assert response.json() == []
    assert "fuzzymatching parameter is not supported" in response["Warning"]
    assert "Warning" not in reader.get(STUDIES, {"fuzzymatching": "false"})


def test_series_and_instances_are_found_within_a_study_and_everywhere(reader: APIClient) -> None:
    for number in (1, 2):
        data = files.dicom(
            files.phantom(seed=number),
            StudyInstanceUID="1.1",
            SeriesInstanceUID=f"1.1.{number}",
            SeriesNumber=number,
            InstanceNumber=7,
            StationName="ROOM1",
            BodyPartExamined="CHEST",
        )
        assert stow(reader, data).status_code == 200
    one, two = reader.get(f"{STUDIES}/1.1/series", {"includefield": "00081010,00081030"}).json()
    assert two["0020000E"]["Value"] == ["1.1.1"]
    assert (two["00201209"]["Value"], two["00081010"]["Value"]) == ([1], ["ROOM1"])
    assert two[DESCRIPTION] == {"vr": "LO"}
    assert NAME not in two
    assert one[URL]["Value"] == ["http://testserver/dicom-web/studies/1.1/series/1.1.2"]
    everything = reader.get(f"{STUDIES}/1.1/series", {"includefield": "all"}).json()[0]
    assert everything[NAME]["Value"] == [{"Alphabetic": "Phantom^One"}]
    [named] = reader.get("/dicom-web/series", {"SeriesNumber": "2"}).json()
    assert named[NAME]["Value"] == [{"Alphabetic": "Phantom^One"}]
    [instance] = reader.get(f"{STUDIES}/1.1/series/1.1.2/instances").json()
    radiograph = Radiograph.objects.get(series__number=2)
    assert instance["00080018"]["Value"] == [radiograph.sop_instance_uid]
    assert (instance["00200013"]["Value"], instance["00280010"]["Value"]) == ([7], [160])
    assert instance[URL]["Value"][0].endswith(f"/instances/{radiograph.sop_instance_uid}")
    assert len(reader.get(f"{STUDIES}/1.1/instances", {"InstanceNumber": "7"}).json()) == 2
    [by_uid] = reader.get(
        "/dicom-web/instances", {"SOPInstanceUID": radiograph.sop_instance_uid}
    ).json()
    assert by_uid[NAME]["Value"] == [{"Alphabetic": "Phantom^One"}]
    assert reader.get(f"{STUDIES}/9.9/series").json() == []


def test_images_without_a_series_are_found_in_one(reader: APIClient) -> None:
    nameless = files.without(
        files.dicom(files.phantom(), StudyInstanceUID="1.1"), "SeriesInstanceUID"
    )
    assert stow(reader, nameless).status_code == 200
    old = make_radiograph(Study.objects.get())  # stored before series were recorded
    own, first = reader.get(f"{STUDIES}/1.1/series").json()
    assert len(reader.get("/dicom-web/instances").json()) == 2
    assert first["0020000E"]["Value"][0].startswith("2.25.")
    old.refresh_from_db()
    assert old.series is not None
    assert own["0020000E"]["Value"] == [old.series.series_instance_uid]


def test_a_search_is_recorded_and_logged_without_what_was_asked(
    studies: list[Study], reader: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        reader.get(STUDIES, {"PatientName": "Phantom^Anna"})
        reader.get(STUDIES, {"PatientName": "Phantom^Anna", "PatientComments": "Secret"})
    entry = AccessEntry.objects.get(status=200)
    assert (entry.kind, entry.study_ids) == (AccessKind.LIST, [studies[0].pk])
    assert entry.criteria == {"PatientName": "Phantom^Anna"}
    assert "Anna" not in caplog.text
    assert "Secret" not in caplog.text


def test_a_page_of_results_costs_few_queries(reader: APIClient) -> None:
    for number in range(12):
        make_radiograph(make_study(study_instance_uid=f"2.{number}"))
    reader.get("/dicom-web/instances")  # fills in the series
    for path in (STUDIES, "/dicom-web/series", "/dicom-web/instances"):
        # Token, user, departments, missing series, the page, the contents of studies, the log.
        with assertNumQueries(6 if path != STUDIES else 5):
            assert len(reader.get(path).json()) == 12


def test_uploaders_search_and_see_no_image(calling: Call, uploader: User) -> None:
    image = make_radiograph()
    client = calling(uploader)
    [found] = client.get(STUDIES).json()
    assert found[UID]["Value"] == [image.study.study_instance_uid]
    study = f"{STUDIES}/{image.study.study_instance_uid}"
    assert client.get(f"{study}/metadata").status_code == 403
    assert client.get(study).status_code == 403


def test_results_are_only_dicom_json(studies: list[Study], reader: APIClient) -> None:
    for accept in ("application/dicom+json", "application/json", "*/*", "application/*;q=0.5"):
        assert reader.get(STUDIES, headers={"accept": accept}).status_code == 200
    for accept in ("application/dicom+xml", 'multipart/related; type="application/dicom+xml"'):
        assert reader.get(STUDIES, headers={"accept": accept}).status_code == 406
    assert reader.get(STUDIES, {"accept": "text/html"}).status_code == 406
