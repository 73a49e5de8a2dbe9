"""Addresses of this app's pages."""

from django.urls import path

from webportal.operations import health

app_name = "operations"
urlpatterns = [
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
]
