"""Signals of erasures."""

from django.dispatch import Signal

#: Sent before an erasure is written to BACKUP_REPOSITORY; a receiver raises where it is not the
#: repository that the backups are in.
writing_to_repository = Signal()
