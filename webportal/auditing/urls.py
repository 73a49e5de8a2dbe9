"""URL configuration of the audit pages."""

from django.urls import path

from webportal.auditing import access_views, views

app_name = "audit"
urlpatterns = [
    path("", views.trail, name="trail"),
    path("export", views.export, name="export"),
    path("access", access_views.accesses, name="accesses"),
    path("access/search", access_views.search, name="search-accesses"),
    path("access/export/<str:file_format>", access_views.export, name="export-accesses"),
    path("verify", views.verify_now, name="verify"),
    path("verification", views.verification, name="verification"),
]
