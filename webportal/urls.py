"""Addresses of the portal."""

from django.urls import include, path

from webportal.operations.views import home

handler403 = "webportal.accounts.views.permission_denied"

urlpatterns = [
    path("", home, name="home"),
    path("", include("webportal.accounts.urls")),
    path("", include("webportal.records.urls")),
    path("uploads/", include("webportal.intake.urls")),
    path("", include("webportal.review.urls")),
    path("", include("webportal.inference.urls")),
    path("audit/", include("webportal.audit.urls")),
    path("", include("webportal.operations.urls")),
    path("api/v1/", include("webportal.api.urls")),
]
