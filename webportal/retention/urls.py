"""URL configuration of retention."""

from django.urls import path

from webportal.retention import views

app_name = "retention"
urlpatterns = [
    path("retention", views.retention, name="retention"),
    path("retention/holds/<uuid:hold_id>/lift", views.lift, name="lift"),
    path("patients/<uuid:patient_id>/hold", views.place, name="place"),
]
