"""URL configuration of the worklist and the study pages."""

from django.urls import path

from webportal.review.emergency import views as emergency_views
from webportal.review.reports import agreement_views
from webportal.review.session import pin_views, preference_views
from webportal.review.study import (
    action_views,
    department_views,
    image_views,
    passkey_views,
    patient_views,
    pixel_views,
    take_back_views,
    text_template_views,
)
from webportal.review.study import views as study_views
from webportal.review.worklist import bulk_views, saved_views
from webportal.review.worklist import views as worklist_views

app_name = "review"
urlpatterns = [
    path("emergency", emergency_views.begin, name="emergency"),
    path("emergency/passkey", emergency_views.passkey_options, name="emergency-passkey"),
    path("emergency/<uuid:access_id>/end", emergency_views.end, name="end-emergency"),
    path("worklist", worklist_views.worklist, name="worklist"),
    path("worklist/search", worklist_views.search, name="search"),
    path("worklist/next", study_views.next_study, name="next"),
    path("worklist/columns", saved_views.choose_columns, name="columns"),
    path("worklist/views", saved_views.save_view, name="save-view"),
    path("worklist/views/<uuid:view_id>", saved_views.change_view, name="change-view"),
    path("worklist/views/<uuid:view_id>/delete", saved_views.delete_view, name="delete-view"),
    path("worklist/bulk", bulk_views.bulk, name="bulk"),
    path("studies/<uuid:study_id>/department", department_views.move, name="study-department"),
    path("studies/<uuid:study_id>", study_views.study, name="study"),
    path("studies/<uuid:study_id>/status", study_views.status, name="status"),
    path("studies/<uuid:study_id>/reservation", study_views.reserve, name="reserve"),
    path("studies/<uuid:study_id>/reservation/renew", study_views.renew, name="renew"),
    path("studies/<uuid:study_id>/reservation/give-back", study_views.give_back, name="give-back"),
    path("studies/<uuid:study_id>/draft", study_views.save_draft, name="draft"),
    path("studies/<uuid:study_id>/draft/discard", study_views.discard_draft, name="discard-draft"),
    path(
        "studies/<uuid:study_id>/sign/passkey",
        passkey_views.passkey_options,
        name="sign-passkey",
    ),
    path("studies/<uuid:study_id>/sign", study_views.sign, name="sign"),
    path("studies/<uuid:study_id>/addendum", study_views.add_addendum, name="addendum"),
    path(
        "studies/<uuid:study_id>/correction-seen",
        action_views.correction_seen,
        name="correction-seen",
    ),
    path("studies/<uuid:study_id>/priority", action_views.raise_priority, name="priority"),
    path("studies/<uuid:study_id>/read-prior", action_views.read_prior, name="read-prior"),
    path("studies/<uuid:study_id>/rerun", action_views.rerun_study, name="rerun-study"),
    path("studies/<uuid:study_id>/case-record", action_views.case_record, name="case-record"),
    path("studies/<uuid:study_id>/patient", patient_views.study_patient, name="study-patient"),
    path("reads/<uuid:read_id>/take-back", take_back_views.take_back_read, name="take-back"),
    path("text-templates", text_template_views.text_templates, name="text-templates"),
    path(
        "text-templates/<uuid:template_id>", text_template_views.text_template, name="text-template"
    ),
    path(
        "text-templates/<uuid:template_id>/remove",
        text_template_views.remove,
        name="remove-template",
    ),
    path("signing-pin", pin_views.signing_pin, name="signing-pin"),
    path("agreement", agreement_views.agreement, name="agreement"),
    path("studies/<uuid:study_id>/ahead", pixel_views.ahead, name="ahead"),
    path("shortcuts", preference_views.choose_shortcuts, name="shortcuts"),
    path("worklist/results", preference_views.open_results, name="open-results"),
    path("reads-first", preference_views.choose_reads_first, name="reads-first"),
    # Browsers cache the response for a year: a new format needs a new URL.
    path("radiographs/<uuid:radiograph_id>/v2/pixels", pixel_views.pixels, name="pixels"),
    path("radiographs/<uuid:radiograph_id>/viewed", pixel_views.viewed, name="viewed"),
    path("radiographs/<uuid:radiograph_id>/image.png", image_views.image, name="image"),
    path("radiographs/<uuid:radiograph_id>/original", image_views.original, name="original"),
    path("radiographs/<uuid:radiograph_id>/rerun", action_views.rerun, name="rerun"),
    path("predictions/<uuid:prediction_id>/heatmap.png", image_views.heatmap, name="heatmap"),
    path("heatmap-legend.png", image_views.legend, name="legend"),
    path("jobs/<uuid:job_id>/cancel", action_views.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/release", action_views.release, name="release"),
]
