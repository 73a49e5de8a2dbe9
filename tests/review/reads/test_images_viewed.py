"""A finding can be signed only by a reader to whom every image of the study was displayed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.conftest import PASSWORD
from tests.factories import make_radiograph, make_study
from tests.helpers import audit_actions
from tests.reading import identity_field, look_at, present_identity
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.records.models import Study
from webportal.records.services import return_to_worklist
from webportal.review.models import Addendum, ImageView, Read
from webportal.review.reads import services
from webportal.review.reads.addenda import add_addendum
from webportal.review.reads.services import Entry, ReadingError, save_draft
from webportal.review.reads.viewing import images_not_viewed, record_viewed

pytestmark = pytest.mark.django_db

UNAIDED = Entry(None, "unaided", "none", comment="Clear.")
NOT_INTERPRETABLE = Entry(None, "not_interpretable", comment="It cannot be opened.")


@pytest.fixture
def study() -> Study:
    """Three images."""
    study = make_study()
    for _ in range(3):
        make_radiograph(study)
    return study


def sign(study: Study, reader: User, entry: Entry) -> Read:
    entry = replace(entry, identity=present_identity(study))
    return services.sign(study, reader, entry, PASSWORD)


def refusal(act: Callable[[], object]) -> ReadingError:
    with pytest.raises(ReadingError) as caught:
        act()
    return caught.value


@pytest.mark.parametrize("finding", ["none", "possible", "definite"])
def test_no_finding_can_be_signed_before_every_image_was_viewed(
    finding: str, study: Study, radiologist: User
) -> None:
    first, second, third = study.radiographs.all()
    entry = replace(UNAIDED, pneumonia=finding)
    refused = refusal(lambda: sign(study, radiologist, entry))
    assert refused.code == "images_not_viewed"
    assert "image 1 of 3, image 2 of 3, image 3 of 3" in refused.message
    assert Read.objects.get().comment == "Clear."
    record_viewed(first, radiologist)
    record_viewed(third, radiologist)
    refused = refusal(lambda: sign(study, radiologist, entry))
    assert "You have not viewed image 2 of 3." in refused.message
    record_viewed(second, radiologist)
    assert sign(study, radiologist, entry).state == "signed"


def test_viewing_by_one_reader_does_not_count_for_another(
    study: Study, radiologist: User, make_user: Callable[..., User]
) -> None:
    look_at(study, make_user(Role.RADIOLOGIST, username="other"))
    assert refusal(lambda: sign(study, radiologist, UNAIDED)).code == "images_not_viewed"


def test_viewing_before_the_draft_still_counts(study: Study, radiologist: User) -> None:
    look_at(study, radiologist)
    save_draft(study, radiologist, UNAIDED)
    assert sign(study, radiologist, UNAIDED).state == "signed"


def test_an_added_image_must_be_seen_too(study: Study, radiologist: User) -> None:
    look_at(study, radiologist)
    late = make_radiograph(study)
    refused = refusal(lambda: sign(study, radiologist, UNAIDED))
    assert "image 4 of 4" in refused.message
    record_viewed(late, radiologist)
    assert sign(study, radiologist, UNAIDED).state == "signed"


def test_a_study_without_an_image_cannot_get_a_finding(radiologist: User) -> None:
    refused = refusal(lambda: sign(make_study(), radiologist, UNAIDED))
    assert refused.code == "images_not_viewed"
    assert refused.message.startswith("This study has no image, so")
    silent = replace(NOT_INTERPRETABLE, comment="")
    refused = refusal(lambda: sign(make_study(), radiologist, silent))
    assert refused.code == "reason_missing"
    assert refused.message.startswith("This study has no image. Say in")
    assert sign(make_study(), radiologist, NOT_INTERPRETABLE).state == "signed"


def test_an_image_that_cannot_be_shown_allows_not_interpretable_with_a_reason(
    study: Study, radiologist: User
) -> None:
    seen, *unseen = study.radiographs.all()
    record_viewed(seen, radiologist)
    silent = replace(NOT_INTERPRETABLE, comment=" ")
    assert refusal(lambda: sign(study, radiologist, silent)).code == "reason_missing"
    sign(study, radiologist, NOT_INTERPRETABLE)
    detail = AuditEntry.objects.get(action="read.signed").detail
    assert detail["images_not_viewed"] == [str(image.pk) for image in unseen]


def test_viewed_images_allow_not_interpretable_without_a_reason(
    study: Study, radiologist: User
) -> None:
    look_at(study, radiologist)
    sign(study, radiologist, replace(NOT_INTERPRETABLE, comment=""))
    assert "images_not_viewed" not in AuditEntry.objects.get(action="read.signed").detail


def test_each_view_is_audited_and_the_first_is_in_the_table(
    study: Study, radiologist: User
) -> None:
    image = study.radiographs.all()[0]
    record_viewed(image, radiologist)
    first = ImageView.objects.get().first_at
    record_viewed(image, radiologist)
    assert ImageView.objects.get().first_at == first
    assert audit_actions(object_id=str(image.pk)) == ["image.viewed"] * 2


def test_sending_an_image_does_not_count_as_viewing(
    study: Study, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(radiologist)
    for image in study.radiographs.all():
        for page in ("pixels", "image", "original"):
            assert browser.get(reverse(f"review:{page}", args=[image.pk])).status_code == 200
    assert len(images_not_viewed(study, radiologist)) == 3
    for image in study.radiographs.all():
        assert browser.post(reverse("review:viewed", args=[image.pk])).status_code == 204
    assert images_not_viewed(study, radiologist) == []


def test_the_page_says_which_images_are_missing(
    study: Study, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    first, second, third = study.radiographs.all()
    record_viewed(second, radiologist)
    browser = sign_in(radiologist)
    page = browser.get(reverse("review:study", args=[study.pk])).content.decode()
    for image, is_missing in ((first, True), (second, False), (third, True)):
        hidden = "" if is_missing else " hidden"
        assert f'data-show-image="{image.pk}"{hidden}>' in page
    # Until the program of the page runs nothing can be signed.
    assert page.count("data-signs disabled") == 2
    values = {"images": "3", "kind": "first", "choice": "unaided:none", "password": PASSWORD}
    address = reverse("review:sign", args=[study.pk])
    refused = browser.post(address, values | identity_field(study))
    assert refused.status_code == 422
    assert "You have not viewed image 1 of 3, image 3 of 3." in refused.content.decode()


def late_image(study: Study) -> None:
    make_radiograph(study)
    study.refresh_from_db()
    return_to_worklist(study)


def test_an_addendum_closes_a_study_only_if_its_late_image_was_seen(
    study: Study, radiologist: User
) -> None:
    look_at(study, radiologist)
    read = sign(study, radiologist, UNAIDED)
    late_image(study)

    def add(despite_unseen: bool = False) -> Addendum:
        return add_addendum(
            read,
            radiologist,
            "Late image",
            "Clear too.",
            PASSWORD,
            4,
            identity=present_identity(study),
            despite_unseen=despite_unseen,
        )

    refused = refusal(add)
    assert refused.code == "images_not_viewed"
    assert "image 4 of 4" in refused.message
    study.refresh_from_db()
    assert study.reading_state == "unread"
    look_at(study, radiologist)
    add()
    study.refresh_from_db()
    assert study.reading_state == "signed"


def test_a_late_image_that_cannot_be_shown_does_not_keep_a_study_open_forever(
    study: Study, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    look_at(study, radiologist)
    sign(study, radiologist, UNAIDED)
    late_image(study)
    browser = sign_in(radiologist)
    values = {"reason": "Late image", "text": "It cannot be opened.", "images": "4"}
    values |= {"addendum_password": PASSWORD} | identity_field(study)
    address = reverse("review:addendum", args=[study.pk])
    refused = browser.post(address, values)
    assert refused.status_code == 422
    assert "tick the box" in refused.content.decode()
    assert 'name="despite_unseen"' in refused.content.decode()
    assert browser.post(address, values | {"despite_unseen": "on"}).status_code == 302
    study.refresh_from_db()
    assert study.reading_state == "signed"
    late = study.radiographs.last()
    assert late is not None
    detail = AuditEntry.objects.get(action="addendum.signed").detail
    assert detail["images_not_viewed"] == [str(late.pk)]


def test_an_addendum_that_closes_nothing_needs_no_image(study: Study, radiologist: User) -> None:
    look_at(study, radiologist)
    read = sign(study, radiologist, UNAIDED)
    ImageView.objects.all().delete()
    identity = present_identity(study)
    assert add_addendum(read, radiologist, "Why", "What", PASSWORD, 3, identity=identity)


def test_the_check_takes_one_query_however_long_the_trail_is(
    study: Study, radiologist: User
) -> None:
    look_at(study, radiologist)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        images_not_viewed(study, radiologist)
    assert len(queries) == 1
    assert "audit" not in queries[0]["sql"]
