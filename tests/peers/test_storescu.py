"""dcmtk's storescu sends 500 images on several associations to a receiver that is killed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.network.conftest import Receiver, node, start_receiver, storage_folder
from tests.network.killing import check_that_no_image_is_lost
from webportal.network.models import Node

pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]
__all__ = ["node", "start_receiver", "storage_folder"]


@pytest.mark.timeout(1800)
def test_none_of_500_images_is_lost_or_doubled(
    start_receiver: Callable[..., Receiver],
    node: Node,
    tmp_path: Path,
) -> None:
    check_that_no_image_is_lost(start_receiver, tmp_path, count=500, associations=4)
