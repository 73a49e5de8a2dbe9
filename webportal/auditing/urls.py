"""URL configuration of the audit pages."""

from django.urls import path

from webportal.auditing import views

app_name = "audit"
urlpatterns = [
    path("", views.trail, name="trail"),
    path("export", views.export, name="export"),
    path("verify", views.verify_now, name="verify"),
    path("verification", views.verification, name="verification"),
]
