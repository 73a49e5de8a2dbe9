"""Addresses of this app's pages."""

from django.urls import path

from webportal.intake import views

app_name = "intake"
urlpatterns = [
    path("", views.batches, name="batches"),
    path("new", views.new_batch, name="new-batch"),
    path("sheet.csv", views.sheet_template, name="sheet-template"),
    path("held", views.held, name="held"),
    path("held/<uuid:item_id>", views.held_item, name="held-item"),
    path("<uuid:batch_id>", views.batch, name="batch"),
    path("<uuid:batch_id>/status", views.batch_status, name="batch-status"),
    path("<uuid:batch_id>/files", views.upload, name="upload"),
]
