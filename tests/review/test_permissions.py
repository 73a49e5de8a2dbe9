"""Permissions for the pages of review and records."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_job, make_prediction
from webportal.accounts.models import Role, User

pytestmark = pytest.mark.django_db

READERS = {Role.RADIOLOGIST}
CLINIC = {Role.RADIOLOGIST, Role.UPLOADER}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_can_open_exactly_its_pages(
    role: Role, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(make_user(role))
    prediction = make_prediction()
    radiograph, study = prediction.radiograph, prediction.radiograph.study
    job = make_job(radiograph)
    gets = {
        reverse("review:worklist"): READERS,
        reverse("review:text-templates"): READERS,
        reverse("review:signing-pin"): READERS,
        reverse("review:agreement"): {Role.RADIOLOGIST, Role.IT, Role.AUDITOR},
        reverse("review:study", args=[study.pk]): READERS,
        reverse("review:status", args=[study.pk]): READERS,
        reverse("review:image", args=[radiograph.pk]): READERS,
        reverse("review:heatmap", args=[prediction.pk]): READERS,
        reverse("review:legend"): READERS,
        reverse("review:original", args=[radiograph.pk]): READERS,
        reverse("review:case-record", args=[study.pk]): CLINIC,
        reverse("review:study-patient", args=[study.pk]): CLINIC,
        reverse("records:patients"): CLINIC,
        reverse("records:patient", args=[study.patient_id]): CLINIC,
        reverse("records:edit-patient", args=[study.patient_id]): CLINIC,
    }
    posts = {
        reverse("review:search"): READERS,
        reverse("review:next"): READERS,
        reverse("review:reserve", args=[study.pk]): READERS,
        reverse("review:renew", args=[study.pk]): READERS,
        reverse("review:give-back", args=[study.pk]): READERS,
        reverse("review:draft", args=[study.pk]): READERS,
        reverse("review:discard-draft", args=[study.pk]): READERS,
        reverse("review:sign", args=[study.pk]): READERS,
        reverse("review:addendum", args=[study.pk]): READERS,
        reverse("review:priority", args=[study.pk]): READERS,
        reverse("review:rerun", args=[radiograph.pk]): READERS,
        reverse("review:cancel", args=[job.pk]): READERS,
        reverse("review:release", args=[job.pk]): READERS,
        reverse("records:search"): CLINIC,
    }
    for address, roles in gets.items():
        assert (browser.get(address).status_code != 403) == (role in roles), address
        assert Client().get(address).headers["Location"].startswith(reverse("accounts:sign-in"))
    for address, roles in posts.items():
        assert (browser.post(address).status_code != 403) == (role in roles), address
        assert Client().post(address).headers["Location"].startswith(reverse("accounts:sign-in"))
        # Signing and adding lead back to the study those who had to sign in on the way.
        leads_back = address.endswith(("/sign", "/addendum")) and role in roles
        assert browser.get(address).status_code in ((302,) if leads_back else (403, 405)), address
