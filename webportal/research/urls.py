"""URL configuration of research exports."""

from django.urls import path

from webportal.research import views

app_name = "research"
urlpatterns = [
    path("research", views.exports, name="exports"),
    path("research/<uuid:export_id>.zip", views.download, name="download"),
    path("research/<uuid:export_id>/remove", views.remove, name="remove"),
]
