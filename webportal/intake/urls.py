"""URL configuration of the intake pages."""

from django.urls import path

from webportal.intake.batches import views
from webportal.intake.held import views as held_views

app_name = "intake"
urlpatterns = [
    path("", views.batches, name="batches"),
    path("new", views.new_batch, name="new-batch"),
    path("sheet.csv", views.sheet_template, name="sheet-template"),
    path("sheet/check", views.check_sheet, name="check-sheet"),
    path("held", held_views.held, name="held"),
    path("held/<uuid:item_id>", held_views.held_item, name="held-item"),
    path("held/<uuid:item_id>/image.png", held_views.held_image, name="held-image"),
    path("<uuid:batch_id>", views.batch, name="batch"),
    path("<uuid:batch_id>/status", views.batch_status, name="batch-status"),
    path("<uuid:batch_id>/received", views.received, name="received"),
    path("<uuid:batch_id>/files", views.upload, name="upload"),
]
