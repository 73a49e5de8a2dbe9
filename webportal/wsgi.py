"""WSGI application of the portal."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webportal.settings")
os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "30")

application = get_wsgi_application()
