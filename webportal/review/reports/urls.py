"""URL configuration of the reports."""

from django.urls import path

from webportal.review.reports import views

app_name = "reports"
urlpatterns = [
    path("reports", views.reports, name="list"),
    path("studies/<uuid:study_id>/report", views.report, name="report"),
    path("studies/<uuid:study_id>/report.pdf", views.report_pdf, name="pdf"),
    path("studies/<uuid:study_id>/report/key-image.png", views.key_image, name="key-image"),
]
