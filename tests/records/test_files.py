"""Reading stored files that cannot be read at first."""

import pytest

from tests.factories import make_radiograph
from webportal.records import files
from webportal.storage import DamagedFileError, StorageAwayError, read_verified


@pytest.mark.django_db
def test_a_storage_that_goes_away_between_two_readings_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    radiograph = make_radiograph()
    errors = [DamagedFileError("once"), StorageAwayError()]

    def fail_first(key: str, sha256: str) -> bytes:
        if errors:
            raise errors.pop(0)
        return read_verified(key, sha256)

    monkeypatch.setattr(files, "read_verified", fail_first)
    with pytest.raises(files.StoredFileError) as raised:
        files.read_dicom(radiograph)
    assert raised.value.code == "storage_away"
    assert files.read_dicom(radiograph)
