"""Fixtures of the tests of the storage's upkeep: those of the intake."""

from tests.intake.conftest import batch, send, storage_folder

__all__ = ["batch", "send", "storage_folder"]
