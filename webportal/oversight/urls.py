"""URL configuration of the oversight pages."""

from django.urls import path

from webportal.oversight import drift_views, shadow_views

app_name = "oversight"
urlpatterns = [
    path("models/drift", drift_views.drift, name="drift"),
    path("models/shadow", shadow_views.shadows, name="shadows"),
    path("models/shadow/start", shadow_views.start, name="start"),
    path("models/shadow/passkey", shadow_views.passkey_options, name="passkey"),
    path("models/shadow/<uuid:shadow_id>", shadow_views.shadow, name="shadow"),
    path("models/shadow/<uuid:shadow_id>/end", shadow_views.end, name="end"),
]
