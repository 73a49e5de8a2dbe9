"""URL configuration of the oversight pages."""

from django.urls import path

from webportal.oversight import drift_views, views

app_name = "oversight"
urlpatterns = [
    path("models/drift", drift_views.drift, name="drift"),
    path("models/shadow", views.shadows, name="shadows"),
    path("models/shadow/start", views.start, name="start"),
    path("models/shadow/passkey", views.passkey_options, name="passkey"),
    path("models/shadow/<uuid:shadow_id>", views.shadow, name="shadow"),
    path("models/shadow/<uuid:shadow_id>/end", views.end, name="end"),
]
