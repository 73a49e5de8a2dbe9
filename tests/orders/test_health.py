"""Hospital IT is told of refused orders until they are accepted."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.orders.messages import answered, make_source, order
from webportal.notifications.alerts import current_alerts
from webportal.orders.health import REFUSED, problems
from webportal.orders.models import OrderMessage

pytestmark = pytest.mark.django_db


def test_refused_orders_alert_hospital_it_until_they_are_accepted() -> None:
    source = make_source()
    answered(source, order())
    answered(source, order(header={11: "T"}))
    assert problems() == []
    answered(source, order(message_id="7", obr={18: ""}))
    assert REFUSED in [alert.code for alert in current_alerts()]
    answered(source, order(message_id="7"))
    assert problems() == []
    answered(source, order("ZZ"))
    assert problems() == [REFUSED]
    OrderMessage.objects.update(received_at=timezone.now() - timedelta(hours=25))
    assert problems() == []
