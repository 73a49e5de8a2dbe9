"""URL configuration of the model pages."""

from django.urls import path

from webportal.inference import views

app_name = "inference"
urlpatterns = [
    path("models", views.models, name="models"),
    path("models/compare", views.compare, name="compare"),
    path("models/<uuid:model_id>", views.model, name="model"),
    path("models/<uuid:model_id>/plots/<slug:plot_name>.png", views.plot, name="plot"),
    path("models/<uuid:model_id>/activate", views.activate, name="activate"),
]
