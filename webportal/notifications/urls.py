"""URL configuration of the notifications."""

from django.urls import path

from webportal.notifications import views

app_name = "notifications"
urlpatterns = [
    path("", views.notifications, name="list"),
    path("badge", views.badge, name="badge"),
    path("read", views.read_all, name="read-all"),
    path("preferences", views.preferences, name="preferences"),
    path("<uuid:notification_id>", views.open_notification, name="open"),
]
