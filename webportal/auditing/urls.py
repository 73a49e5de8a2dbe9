"""URL configuration of the audit pages."""

from django.urls import path

from webportal.auditing import access_views, emergency_views, views

app_name = "audit"
urlpatterns = [
    path("audit/", views.trail, name="trail"),
    path("audit/export", views.export, name="export"),
    path("access-log", access_views.accesses, name="accesses"),
    path("access-log/search", access_views.search, name="search-accesses"),
    path("access-log/export/<str:file_format>", access_views.export, name="export-accesses"),
    path("emergency-accesses", emergency_views.emergencies, name="emergencies"),
    path("emergency-accesses/<uuid:access_id>", emergency_views.emergency, name="emergency"),
    path("audit/verify", views.verify_now, name="verify"),
    path("audit/verification", views.verification, name="verification"),
]
