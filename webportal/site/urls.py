"""URL configuration of the portal."""

from django.urls import include, path

from webportal.site import csp_views, lock_views, views

handler400 = "webportal.site.errors.bad_request"
handler403 = "webportal.site.errors.permission_denied"
handler404 = "webportal.site.errors.not_found"
handler500 = "webportal.site.errors.server_error"

urlpatterns = [
    # First, because scripts send one file after the other, and patterns are tried in this order.
    path("api/v1/", include("webportal.api.urls")),
    path("", views.home, name="home"),
    path("language", views.choose_language, name="set-language"),
    path("csp-reports", csp_views.report, name="csp-reports"),
    path("in-use", lock_views.note_use, name="in-use"),
    path("lock", lock_views.lock_session, name="lock"),
    path("unlock", lock_views.unlock_session, name="unlock"),
    path("unlock/passkey", lock_views.passkey_options, name="unlock-passkey"),
    path("", include("webportal.accounts.urls")),
    path("", include("webportal.records.urls")),
    path("uploads/", include("webportal.intake.urls")),
    path("notifications/", include("webportal.notifications.urls")),
    path("uploads/", include("webportal.review.batches.urls")),
    path("", include("webportal.review.reports.urls")),
    path("", include("webportal.review.urls")),
    path("", include("webportal.orders.urls")),
    path("", include("webportal.inference.urls")),
    path("", include("webportal.oversight.urls")),
    path("", include("webportal.auditing.urls")),
    path("", include("webportal.operations.urls")),
    path("", include("webportal.network.urls")),
    path("", include("webportal.delivery.urls")),
    path("", include("webportal.research.urls")),
    path("", include("webportal.retention.urls")),
    path("", include("webportal.erasure.urls")),
    path("dicom-web/", include("webportal.dicomweb.urls")),
]
