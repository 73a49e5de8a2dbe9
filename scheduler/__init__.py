"""The scheduler: job recovery, audit anchors, notifications and storage maintenance."""

import os

import django

# Before `scheduler.app` imports models of the portal.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webportal.settings")
django.setup()
