"""The Celery side: one process a device takes jobs, predicts and writes results back."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webportal.settings")
django.setup()
