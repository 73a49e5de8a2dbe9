"""URL configuration of the batch results."""

from django.urls import path

from webportal.review.batches import identify_views, views

app_name = "results"
urlpatterns = [
    path("<uuid:batch_id>/results", views.batch_results, name="batch"),
    path("<uuid:batch_id>/identify", identify_views.identify, name="identify"),
    path("<uuid:batch_id>/results.csv", views.batch_csv, name="csv"),
    path("<uuid:batch_id>/results.pdf", views.batch_pdf, name="pdf"),
]
