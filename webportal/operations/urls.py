"""URL configuration of the operations pages."""

from django.urls import path

from webportal.operations import (
    audit_export_views,
    capacity_views,
    health_views,
    metrics_views,
    queue_views,
    views,
    worker_views,
)

app_name = "operations"
urlpatterns = [
    path("operations", views.queue, name="queue"),
    path("operations/pause", queue_views.pause, name="pause-queue"),
    path("operations/resume", queue_views.resume, name="resume-queue"),
    path("operations/jobs", queue_views.change_all, name="change-all"),
    path("operations/capacity", capacity_views.capacity, name="capacity"),
    path("operations/workers/<str:name>", worker_views.worker, name="worker"),
    path("operations/workers/<str:name>/drain", worker_views.drain, name="drain"),
    path("operations/workers/<str:name>/resume", worker_views.resume, name="resume"),
    path("operations/workers/<str:name>/stop", worker_views.stop, name="stop"),
    path("operations/jobs/<uuid:job_id>/release", queue_views.release_job, name="release-job"),
    path("operations/jobs/<uuid:job_id>/cancel", queue_views.cancel_job, name="cancel-job"),
    path("operations/files/<uuid:fault_id>/check", views.check_file, name="check-file"),
    path("operations/removal/<uuid:pause_id>/resume", views.resume_removal, name="resume-removal"),
    path("operations/audit-export/set-aside", audit_export_views.set_aside, name="set-aside"),
    path(
        "operations/audit-export/<uuid:entry_id>/send-again",
        audit_export_views.send_again,
        name="send-again",
    ),
    path(
        "operations/audit-export/<uuid:entry_id>/give-up",
        audit_export_views.give_up,
        name="give-up",
    ),
    path("metrics", metrics_views.metrics, name="metrics"),
    path("health/live", health_views.live, name="live"),
    path("health/ready", health_views.ready, name="ready"),
]
