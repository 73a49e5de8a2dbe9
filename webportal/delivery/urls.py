"""URL configuration of the destination pages."""

from django.urls import path

from webportal.delivery import views

app_name = "delivery"
urlpatterns = [
    path("destinations", views.overview, name="destinations"),
    path("destinations/new/<str:protocol>", views.new, name="new"),
    path("destinations/outbox", views.deliveries, name="outbox"),
    path("destinations/<uuid:destination_id>", views.destination, name="destination"),
    path("destinations/<uuid:destination_id>/test", views.test, name="test"),
    path("destinations/<uuid:destination_id>/pause", views.pause, name="pause"),
    path("destinations/<uuid:destination_id>/resume", views.resume, name="resume"),
    path("destinations/<uuid:destination_id>/remove", views.remove, name="remove"),
]
