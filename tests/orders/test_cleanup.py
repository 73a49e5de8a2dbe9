"""Orders without a study go after their time, and the trail forgets them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import make_patient
from tests.orders.messages import answered, make_source, order, ordered_study
from webportal.audit.models import AuditEntry
from webportal.audit.reconciliation import checks
from webportal.audit.verification import verify
from webportal.orders.cleanup import remove_old
from webportal.orders.models import Order, OrderMessage

pytestmark = pytest.mark.django_db


def test_orders_that_found_no_study_go_with_what_the_trail_says_of_them() -> None:
    source = make_source()
    study = ordered_study()
    answered(source, order())
    for number, control in enumerate(("NW", "XO")):
        answered(source, order(control, minute=number, obr={18: "ACC-2", 31: f"^Cough {number}"}))
    assert remove_old() == 0
    old = timezone.now() - timedelta(days=181)
    Order.objects.update(changed_at=old)
    OrderMessage.objects.update(received_at=old)
    assert remove_old() == 1
    [left] = Order.objects.all()
    assert left.links.get().study == study
    assert not OrderMessage.objects.exists()
    assert "Cough 0" not in str(list(AuditEntry.objects.values_list("detail")))
    assert not verify().findings


def test_an_order_changed_past_the_trail_is_found() -> None:
    source = make_source()
    study = ordered_study(patient=make_patient(patient_id="P-1", issuer=""))
    answered(source, order())
    answered(source, order("XO", minute=1, obr={31: "^Weight loss"}))
    [check] = [each for each in checks() if getattr(each, "kind", "") == "order"]
    assert [found for _count, found in check.run() if found] == []
    Order.objects.update(indication="Nothing")
    study.order_links.update(study=ordered_study(patient=study.patient, accession_number="B"))
    [[finding]] = [found for _count, found in check.run() if found]
    assert finding.values == {"fields": "indication, studies"}
