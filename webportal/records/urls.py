"""URL configuration of the patients' pages."""

from django.urls import path

from webportal.records import views

app_name = "records"
urlpatterns = [
    path("patients", views.patients, name="patients"),
    path("patients/search", views.search, name="search"),
    path("patients/<uuid:patient_id>", views.patient, name="patient"),
    path("patients/<uuid:patient_id>/edit", views.edit_patient, name="edit-patient"),
]
