"""URL configuration of erasures."""

from django.urls import path

from webportal.erasure import views

app_name = "erasure"
urlpatterns = [
    path("erasures", views.erasures, name="erasures"),
    path("erasures/due", views.erase_due, name="erase-due"),
    path("erasures/passkey", views.passkey_options, name="passkey"),
    path("erasures/<uuid:erasure_id>", views.erasure, name="erasure"),
    path("erasures/<uuid:erasure_id>/confirm", views.confirm, name="confirm"),
    path("erasures/<uuid:erasure_id>/decline", views.decline, name="decline"),
    path("erasures/<uuid:erasure_id>/certificate", views.certificate, name="certificate"),
    path("patients/<uuid:patient_id>/erasure", views.request_erasure, name="request"),
]
