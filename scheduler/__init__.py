"""The scheduler: job recovery, audit anchors, notifications and storage maintenance."""

import os

import django

# Must happen before `scheduler.app` imports the portal's models.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webportal.settings")
django.setup()
