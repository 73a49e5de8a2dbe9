"""The Celery workers: one process per device claims jobs, predicts and writes results back."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webportal.settings")
django.setup()
