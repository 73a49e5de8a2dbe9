"""Who may open what: this table is the specification, and every address must be in it.

Each address is asked for with every method, by people of each role and by nobody. "May" means that
the answer is neither 401, 403 nor the way to the sign-in page; what it is beyond that is tested
elsewhere.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from deploy.local.system import ROOT
from webportal.accounts.models import Role, User
from webportal.site.navigation import LINKS
from webportal.site.views import START_PAGES

U, R, IT, A = Role.UPLOADER, Role.RADIOLOGIST, Role.IT, Role.AUDITOR
C, REFERRER = Role.COORDINATOR, Role.REFERRER
SIGNED_IN = (U, R, IT, A, C, REFERRER)
PUBLIC = (None, *SIGNED_IN)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

# Address → method → the roles that may. A method that is not named answers 405 to those who may
# open the address otherwise, and to nobody with anything but a refusal.
TABLE: dict[str, dict[str, tuple[Role | None, ...]]] = {
    # accounts
    "": {"GET": SIGNED_IN},
    "language": {"POST": PUBLIC},
    "csp-reports": {"POST": PUBLIC},
    "sign-in": {"GET": PUBLIC, "POST": PUBLIC},
    "sign-in/second-step": {"GET": PUBLIC, "POST": PUBLIC},
    "sign-in/passkey": {"POST": PUBLIC},
    "sign-in/passkey/options": {"POST": PUBLIC},
    "sign-in/provider": {"GET": PUBLIC},
    "sign-in/provider/callback": {"GET": PUBLIC},
    "sign-in/provider/logout": {"POST": PUBLIC},
    "sign-out": {"POST": SIGNED_IN},
    "account/password": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "account/sessions": {"GET": SIGNED_IN},
    "account/sessions/<uuid:session_id>/end": {"POST": SIGNED_IN},
    "account/sign-out-everywhere": {"POST": SIGNED_IN},
    "account/confirm": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "account/second-factor": {"GET": SIGNED_IN},
    "account/second-factor/app": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "account/second-factor/app/remove": {"POST": SIGNED_IN},
    "account/second-factor/recovery-codes": {"POST": SIGNED_IN},
    "account/second-factor/passkeys": {"POST": SIGNED_IN},
    "account/second-factor/passkeys/options": {"POST": SIGNED_IN},
    "account/second-factor/passkeys/<uuid:passkey_id>/remove": {"POST": SIGNED_IN},
    "account/tokens": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "account/tokens/<str:token_key>/revoke": {"POST": SIGNED_IN},
    "departments": {"GET": (IT,), "POST": (IT,)},
    "departments/<uuid:department_id>": {"GET": (IT,), "POST": (IT,)},
    "users": {"GET": (IT,), "POST": (IT,)},
    "users/<uuid:user_id>": {"GET": (IT,), "POST": (IT,)},
    "users/<uuid:user_id>/reset-password": {"POST": (IT,)},
    "users/<uuid:user_id>/reset-second-factor": {"POST": (IT,)},
    # records
    "patients": {"GET": (U, R)},
    "patients/search": {"POST": (U, R)},
    "patients/<uuid:patient_id>": {"GET": (U, R)},
    "patients/<uuid:patient_id>/edit": {"GET": (U, R), "POST": (U, R)},
    # intake
    "uploads/": {"GET": (U, R)},
    "uploads/new": {"GET": (U, R), "POST": (U, R)},
    "uploads/sheet.csv": {"GET": (U, R)},
    "uploads/sheet/check": {"POST": (U, R)},
    "uploads/held": {"GET": (U, R)},
    "uploads/held/<uuid:item_id>/image.png": {"GET": (U, R)},
    "uploads/held/<uuid:item_id>": {"GET": (U, R), "POST": (U, R)},
    "uploads/<uuid:batch_id>": {"GET": (U, R)},
    "uploads/<uuid:batch_id>/status": {"GET": (U, R)},
    "uploads/<uuid:batch_id>/files": {"POST": (U, R)},
    "uploads/<uuid:batch_id>/received": {"GET": (U, R)},
    "uploads/<uuid:batch_id>/results": {"GET": (U, R)},
    "uploads/<uuid:batch_id>/identify": {"GET": (U, R), "POST": (U, R)},
    "uploads/<uuid:batch_id>/results.csv": {"GET": (U, R)},
    "uploads/<uuid:batch_id>/results.pdf": {"GET": (U, R)},
    # notifications
    "notifications/": {"GET": SIGNED_IN},
    "notifications/badge": {"GET": SIGNED_IN},
    "notifications/read": {"POST": SIGNED_IN},
    "notifications/preferences": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "notifications/<uuid:notification_id>": {"GET": SIGNED_IN},
    # review
    "emergency": {"GET": (R,), "POST": (R,)},
    "emergency/passkey": {"POST": (R,)},
    "emergency/<uuid:access_id>/end": {"POST": (R,)},
    "studies/<uuid:study_id>/department": {"GET": (C,), "POST": (C,)},
    "worklist": {"GET": (R,)},
    "worklist/search": {"POST": (R,)},
    "worklist/next": {"POST": (R,)},
    "worklist/columns": {"POST": (R,)},
    "worklist/views": {"POST": (R,)},
    "worklist/views/<uuid:view_id>": {"GET": (R,), "POST": (R,)},
    "worklist/views/<uuid:view_id>/delete": {"GET": (R,), "POST": (R,)},
    "worklist/bulk": {"POST": (R,)},
    "reports": {"GET": (REFERRER,)},
    "studies/<uuid:study_id>/report": {"GET": (U, R, REFERRER)},
    "studies/<uuid:study_id>/report.pdf": {"GET": (U, R, REFERRER)},
    "studies/<uuid:study_id>/report/key-image.png": {"GET": (U, R, REFERRER)},
    "studies/<uuid:study_id>": {"GET": (R,)},
    "studies/<uuid:study_id>/status": {"GET": (R,), "POST": (R,)},
    "studies/<uuid:study_id>/reservation": {"POST": (R,)},
    "studies/<uuid:study_id>/reservation/renew": {"POST": (R,)},
    "studies/<uuid:study_id>/reservation/give-back": {"POST": (R,)},
    "studies/<uuid:study_id>/draft": {"POST": (R,)},
    "studies/<uuid:study_id>/draft/discard": {"POST": (R,)},
    "studies/<uuid:study_id>/sign/passkey": {"POST": (R,)},
    "studies/<uuid:study_id>/sign": {"GET": (R,), "POST": (R,)},
    "studies/<uuid:study_id>/addendum": {"GET": (R,), "POST": (R,)},
    "studies/<uuid:study_id>/priority": {"POST": (R,)},
    "studies/<uuid:study_id>/correction-seen": {"POST": (R,)},
    "studies/<uuid:study_id>/rerun": {"POST": (R,)},
    "studies/<uuid:study_id>/case-record": {"GET": (U, R), "POST": (U, R)},
    "studies/<uuid:study_id>/patient": {"GET": (U, R), "POST": (U, R)},
    "studies/<uuid:study_id>/ahead": {"GET": (R,)},
    "lock": {"POST": (R,)},
    "unlock": {"POST": (R,)},
    "unlock/passkey": {"POST": (R,)},
    "shortcuts": {"POST": (R,)},
    "reads-first": {"POST": (R,)},
    "worklist/results": {"POST": (R,)},
    "radiographs/<uuid:radiograph_id>/v2/pixels": {"GET": (R,)},
    "radiographs/<uuid:radiograph_id>/viewed": {"POST": (R,)},
    "reads/<uuid:read_id>/take-back": {"POST": (R,)},
    "text-templates": {"GET": (R,), "POST": (R,)},
    "text-templates/<uuid:template_id>": {"GET": (R,), "POST": (R,)},
    "text-templates/<uuid:template_id>/remove": {"POST": (R,)},
    "signing-pin": {"GET": (R,), "POST": (R,)},
    "agreement": {"GET": (R, IT, A)},
    "radiographs/<uuid:radiograph_id>/image.png": {"GET": (R,)},
    "radiographs/<uuid:radiograph_id>/original": {"GET": (R,)},
    "radiographs/<uuid:radiograph_id>/rerun": {"POST": (R,)},
    "predictions/<uuid:prediction_id>/heatmap.png": {"GET": (R,)},
    "heatmap-legend.png": {"GET": (R,)},
    "jobs/<uuid:job_id>/cancel": {"POST": (R,)},
    "jobs/<uuid:job_id>/release": {"POST": (R,)},
    # inference
    "models": {"GET": (R, IT)},
    "models/<uuid:model_id>": {"GET": (R, IT)},
    "models/compare": {"GET": (R, IT)},
    "models/<uuid:model_id>/activate": {"GET": (IT,), "POST": (IT,)},
    # audit
    "audit/": {"GET": (A,)},
    "audit/export": {"GET": (A,)},
    "access-log": {"GET": (A,)},
    "access-log/search": {"POST": (A,)},
    "access-log/export/<str:file_format>": {"GET": (A,)},
    "emergency-accesses": {"GET": (A,)},
    "emergency-accesses/<uuid:access_id>": {"GET": (A,), "POST": (A,)},
    "audit/verify": {"POST": (A,)},
    "audit/verification": {"GET": (A,)},
    # operations
    "operations": {"GET": (IT,)},
    "operations/workers/<str:name>/drain": {"POST": (IT,)},
    "operations/workers/<str:name>/resume": {"POST": (IT,)},
    "operations/jobs/<uuid:job_id>/release": {"POST": (IT,)},
    "operations/jobs/<uuid:job_id>/cancel": {"POST": (IT,)},
    "operations/files/<uuid:fault_id>/check": {"POST": (IT,)},
    "operations/removal/<uuid:pause_id>/resume": {"POST": (IT,)},
    "retention": {"GET": (IT,)},
    "retention/holds/<uuid:hold_id>/lift": {"POST": (IT,)},
    "patients/<uuid:patient_id>/hold": {"POST": (U, R)},
    "erasures": {"GET": (IT,)},
    "erasures/due": {"POST": (IT,)},
    "erasures/passkey": {"POST": (IT,)},
    "erasures/<uuid:erasure_id>": {"GET": (IT,)},
    "erasures/<uuid:erasure_id>/confirm": {"POST": (IT,)},
    "erasures/<uuid:erasure_id>/decline": {"POST": (IT,)},
    "erasures/<uuid:erasure_id>/certificate": {"GET": (IT,)},
    "patients/<uuid:patient_id>/erasure": {"POST": (U, R)},
    "metrics": {"GET": (IT,)},
    # network
    "dicom": {"GET": (IT,), "POST": (IT,)},
    "destinations": {"GET": (IT,)},
    "destinations/new/<str:protocol>": {"GET": (IT,), "POST": (IT,)},
    "destinations/outbox": {"GET": (IT,), "POST": (IT,)},
    "destinations/<uuid:destination_id>": {"GET": (IT,), "POST": (IT,)},
    "destinations/<uuid:destination_id>/test": {"POST": (IT,)},
    "destinations/<uuid:destination_id>/pause": {"POST": (IT,)},
    "destinations/<uuid:destination_id>/resume": {"POST": (IT,)},
    "destinations/<uuid:destination_id>/remove": {"POST": (IT,)},
    "dicom/nodes/<uuid:node_id>": {"GET": (IT,), "POST": (IT,)},
    "dicom/nodes/<uuid:node_id>/test": {"POST": (IT,)},
    "dicom/inbox": {"GET": (IT,)},
    "dicom/inbox/adopt": {"POST": (IT,)},
    "dicom/inbox/<uuid:received_id>/retry": {"POST": (IT,)},
    "dicom/inbox/<uuid:received_id>/discard": {"POST": (IT,)},
    "health/live": {"GET": PUBLIC},
    "health/ready": {"GET": PUBLIC},
    # API
    "api/v1/openapi.yaml": {"GET": PUBLIC},
    "api/v1/tokens": {"GET": SIGNED_IN, "POST": PUBLIC},
    "api/v1/tokens/<str:key>": {"DELETE": SIGNED_IN},
    "api/v1/patients": {"GET": (U, R)},
    "api/v1/patients/search": {"POST": (U, R)},
    "api/v1/patients/<uuid:pk>": {"GET": (U, R), "PATCH": (U, R)},
    "api/v1/reads/<uuid:pk>/corrections-seen": {"POST": (R,)},
    "api/v1/patients/<uuid:pk>/correct": {"POST": (R,)},
    "api/v1/studies": {"GET": (U, R)},
    "api/v1/studies/search": {"POST": (U, R)},
    "api/v1/studies/worklist": {"GET": (R,)},
    "api/v1/studies/second-reads": {"GET": (R,)},
    "api/v1/studies/bulk/priority": {"POST": (C,)},
    "api/v1/studies/bulk/assign": {"POST": (R,)},
    "api/v1/studies/bulk/rerun": {"POST": (R,)},
    "api/v1/studies/<uuid:pk>": {"GET": (U, R), "PATCH": (U, R)},
    "api/v1/studies/<uuid:pk>/patient": {"PUT": (U, R)},
    "api/v1/studies/<uuid:pk>/correct-patient": {"POST": (R,)},
    "api/v1/studies/next": {"POST": (R,)},
    "api/v1/studies/<uuid:pk>/reservation": {"PUT": (R,), "DELETE": (R,)},
    "api/v1/studies/<uuid:pk>/draft": {"GET": (R,), "PUT": (R,), "DELETE": (R,)},
    "api/v1/studies/<uuid:pk>/rerun": {"POST": (R,)},
    "api/v1/studies/<uuid:pk>/sign": {"POST": (R,)},
    "api/v1/radiographs": {"GET": (U, R)},
    "api/v1/radiographs/<uuid:pk>": {"GET": (U, R)},
    "api/v1/radiographs/<uuid:pk>/original": {"GET": (R,)},
    "api/v1/radiographs/<uuid:pk>/dicom": {"GET": (R,)},
    "api/v1/radiographs/<uuid:pk>/image": {"GET": (R,)},
    "api/v1/radiographs/<uuid:pk>/viewed": {"POST": (R,)},
    "api/v1/radiographs/<uuid:pk>/rerun": {"POST": (R,)},
    "api/v1/jobs": {"GET": (U, R, IT)},
    "api/v1/jobs/<uuid:pk>": {"GET": (U, R, IT)},
    "api/v1/jobs/<uuid:pk>/cancel": {"POST": (R, IT)},
    "api/v1/jobs/<uuid:pk>/release": {"POST": (R, IT)},
    "api/v1/predictions": {"GET": (R,)},
    "api/v1/predictions/<uuid:pk>": {"GET": (R,)},
    "api/v1/predictions/<uuid:pk>/heatmap": {"GET": (R,)},
    "api/v1/agreement": {"GET": (R, IT, A)},
    "api/v1/text-templates": {"GET": (R,)},
    "api/v1/reads": {"GET": (R,)},
    "api/v1/reads/<uuid:pk>": {"GET": (R,)},
    "api/v1/reads/<uuid:pk>/addenda": {"POST": (R,)},
    "api/v1/reads/<uuid:pk>/take-back": {"POST": (R,)},
    "api/v1/batches": {"GET": (U, R), "POST": (U, R)},
    "api/v1/batches/<uuid:pk>": {"GET": (U, R)},
    "api/v1/batches/<uuid:batch_id>/files": {"GET": (U, R), "POST": (U, R)},
    "api/v1/batches/<uuid:pk>/results": {"GET": (U, R)},
    "api/v1/batches/<uuid:pk>/results.csv": {"GET": (U, R)},
    "api/v1/batches/check-sheet": {"POST": (U, R)},
    "api/v1/notifications": {"GET": SIGNED_IN},
    "api/v1/notifications/<uuid:pk>/read": {"POST": SIGNED_IN},
    "api/v1/held-files": {"GET": (U, R)},
    "api/v1/held-files/<uuid:pk>": {"GET": (U, R)},
    "api/v1/held-files/<uuid:pk>/resolve": {"POST": (U, R)},
    "api/v1/model-versions": {"GET": (R, IT)},
    "api/v1/model-versions/<uuid:pk>": {"GET": (R, IT)},
    "api/v1/model-versions/<uuid:pk>/activate": {"POST": (IT,)},
    "api/v1/workers": {"GET": (IT,)},
    "api/v1/workers/<str:name>": {"GET": (IT,)},
    "api/v1/workers/<str:name>/drain": {"POST": (IT,)},
    "api/v1/workers/<str:name>/resume": {"POST": (IT,)},
    "api/v1/departments": {"GET": SIGNED_IN, "POST": (IT,)},
    "api/v1/departments/<uuid:pk>": {"PATCH": (IT,)},
    "api/v1/studies/<uuid:pk>/department": {"POST": (C,)},
    "api/v1/users": {"GET": (IT,), "POST": (IT,)},
    "api/v1/users/<uuid:pk>": {"GET": (IT,), "PATCH": (IT,)},
    "api/v1/users/<uuid:pk>/reset-password": {"POST": (IT,)},
    "api/v1/access-entries": {"GET": (A,)},
    "api/v1/access-entries/patients": {"POST": (A,)},
    "api/v1/dicom-nodes": {"GET": (IT,), "POST": (IT,)},
    "api/v1/dicom-nodes/<uuid:pk>": {"GET": (IT,), "PATCH": (IT,)},
    "api/v1/dicom-nodes/<uuid:pk>/echo": {"POST": (IT,)},
    "api/v1/received-instances": {"GET": (IT,)},
    "api/v1/received-instances/<uuid:pk>": {"GET": (IT,)},
    "api/v1/received-instances/<uuid:pk>/adopt": {"POST": (IT,)},
    "api/v1/received-instances/<uuid:pk>/retry": {"POST": (IT,)},
    "api/v1/received-instances/<uuid:pk>/discard": {"POST": (IT,)},
    # DICOMweb
    "dicom-web/studies": {"GET": (U, R), "POST": (U, R)},
    "dicom-web/series": {"GET": (U, R)},
    "dicom-web/instances": {"GET": (U, R)},
    "dicom-web/studies/<str:study>": {"GET": (R,), "POST": (U, R)},
    "dicom-web/studies/<str:study>/metadata": {"GET": (R,)},
    "dicom-web/studies/<str:study>/thumbnail": {"GET": (R,)},
    "dicom-web/studies/<str:study>/series": {"GET": (U, R)},
    "dicom-web/studies/<str:study>/instances": {"GET": (U, R)},
    "dicom-web/studies/<str:study>/series/<str:series>": {"GET": (R,)},
    "dicom-web/studies/<str:study>/series/<str:series>/metadata": {"GET": (R,)},
    "dicom-web/studies/<str:study>/series/<str:series>/thumbnail": {"GET": (R,)},
    "dicom-web/studies/<str:study>/series/<str:series>/instances": {"GET": (U, R)},
    **{
        "dicom-web/studies/<str:study>/series/<str:series>/instances/<str:instance>" + rest: {
            "GET": (R,)
        }
        for rest in (
            "",
            "/metadata",
            "/rendered",
            "/thumbnail",
            "/bulkdata/<str:tag>",
            "/frames/<str:frames>",
            "/frames/<str:frames>/rendered",
            "/frames/<str:frames>/thumbnail",
        )
    },
    "api/v1/audit-entries": {"GET": (A,)},
    "api/v1/audit-entries/verify": {"POST": (A,)},
    "api/v1/audit-entries/verification": {"GET": (A,)},
}


def addresses(patterns: list[URLPattern | URLResolver], start: str = "") -> Iterator[str]:
    """The addresses of all URL patterns, as the patterns write them."""
    for pattern in patterns:
        address = start + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, address)
        else:
            yield address


ADDRESSES = sorted(set(addresses(get_resolver().url_patterns)))


def filled(address: str) -> str:
    """The address with the id of nothing where it wants an id."""
    parts = [part.split(">", 1) for part in address.split("<")]
    return "/" + "".join(
        f"{uuid.UUID(int=1)}{part[1]}" if len(part) > 1 else part[0] for part in parts
    )


def is_refused(response: Any) -> bool:
    if response.status_code == 302:
        return str(response["Location"]).startswith("/sign-in?next=")
    return response.status_code in (401, 403)


def test_the_table_matches_the_urls() -> None:
    assert sorted(TABLE) == ADDRESSES


@pytest.fixture
def person(request: pytest.FixtureRequest, make_user: Callable[..., User]) -> User | None:
    return None if request.param is None else make_user(request.param)


@pytest.mark.parametrize("person", PUBLIC, indirect=True, ids=lambda role: str(role or "nobody"))
@pytest.mark.django_db
def test_every_url_is_open_to_exactly_the_roles_in_the_table(person: User | None) -> None:
    role = Role(person.roles[0]) if person else None
    wrong = []
    for address, allowed in TABLE.items():
        client = Client()
        if person is not None:
            client.force_login(person)
        # Those that are open come last, because one of them signs out.
        for method in sorted(METHODS, key=lambda method: method in allowed):
            response = client.generic(method, filled(address))
            if role in allowed.get(method, ()):
                is_right = not is_refused(response) and response.status_code != 405
            elif method in allowed:
                is_right = is_refused(response)
            else:
                is_right = is_refused(response) or response.status_code == 405
            if not is_right:
                wrong.append(f"{method} /{address}: {response.status_code}")
    assert wrong == []


@pytest.mark.django_db
def test_users_without_a_role_can_open_only_their_account() -> None:
    nobody = User.objects.create_user("newcomer", None, [])
    client = Client()
    client.force_login(nobody)
    for address, methods in TABLE.items():
        if methods.get("GET") not in (None, PUBLIC, SIGNED_IN):
            assert is_refused(client.get(filled(address))), address


@pytest.mark.django_db
def test_several_roles_are_additive() -> None:
    both = User.objects.create_user("both", None, [U, IT])
    client = Client()
    client.force_login(both)
    assert not is_refused(client.get("/uploads/"))
    assert not is_refused(client.get("/operations"))
    assert is_refused(client.get("/worklist"))


def test_every_role_is_in_the_table_and_has_a_start_page() -> None:
    assert set(SIGNED_IN) == set(Role)
    # Coordinators are radiologists too.
    assert {role for role, _ in START_PAGES} | {C} == set(Role)


#: Pages of hospital IT or auditors that another page of theirs leads to, or a program reads.
NOT_IN_THE_NAVIGATION = {
    *("departments", "erasures", "destinations/outbox", "dicom/inbox"),
    *("audit/export", "audit/verification", "metrics"),
}


def test_every_link_of_the_navigation_is_open_to_those_who_are_shown_it() -> None:
    for link in LINKS:
        assert set(link.roles) <= set(TABLE[reverse(link.view_name)[1:]]["GET"]), link.label


def test_every_page_of_hospital_it_and_auditors_is_in_the_navigation() -> None:
    linked = {reverse(link.view_name)[1:] for link in LINKS}
    pages = {
        address
        for address, methods in TABLE.items()
        if "<" not in address
        and not address.startswith("api/")
        and set(methods.get("GET", PUBLIC)) <= {IT, A}
    }
    assert pages - linked == NOT_IN_THE_NAVIGATION


def test_the_guide_to_the_api_names_every_role() -> None:
    guide = (ROOT / "docs" / "api.md").read_text()
    table = guide.partition("| role | gives access to |")[2].partition("\n\n")[0]
    named = [row.split("|")[1].strip() for row in table.splitlines()[2:]]
    assert named == [str(role.label) for role in Role]
