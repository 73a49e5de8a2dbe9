"""URL configuration of the worklist and the study pages."""

from django.urls import path

from webportal.review.reports import agreement_page
from webportal.review.session import lock_page, pin_page, preference_pages
from webportal.review.study import (
    actions,
    images,
    patient_page,
    pixels,
    take_back_page,
    text_templates,
    views,
)
from webportal.review.worklist import bulk_pages, pages, saved

app_name = "review"
urlpatterns = [
    path("worklist", pages.worklist, name="worklist"),
    path("worklist/search", pages.search, name="search"),
    path("worklist/next", views.next_study, name="next"),
    path("worklist/columns", saved.choose_columns, name="columns"),
    path("worklist/views", saved.save_view, name="save-view"),
    path("worklist/views/<uuid:view_id>", saved.change_view, name="change-view"),
    path("worklist/views/<uuid:view_id>/delete", saved.delete_view, name="delete-view"),
    path("worklist/bulk", bulk_pages.bulk, name="bulk"),
    path("studies/<uuid:study_id>", views.study, name="study"),
    path("studies/<uuid:study_id>/status", views.status, name="status"),
    path("studies/<uuid:study_id>/reservation", views.reserve, name="reserve"),
    path("studies/<uuid:study_id>/reservation/renew", views.renew, name="renew"),
    path("studies/<uuid:study_id>/reservation/give-back", views.give_back, name="give-back"),
    path("studies/<uuid:study_id>/draft", views.save_draft, name="draft"),
    path("studies/<uuid:study_id>/draft/discard", views.discard_draft, name="discard-draft"),
    path("studies/<uuid:study_id>/sign", views.sign, name="sign"),
    path("studies/<uuid:study_id>/addendum", views.add_addendum, name="addendum"),
    path(
        "studies/<uuid:study_id>/correction-seen",
        actions.correction_seen,
        name="correction-seen",
    ),
    path("studies/<uuid:study_id>/priority", actions.raise_priority, name="priority"),
    path("studies/<uuid:study_id>/rerun", actions.rerun_study, name="rerun-study"),
    path("studies/<uuid:study_id>/case-record", actions.case_record, name="case-record"),
    path("studies/<uuid:study_id>/patient", patient_page.study_patient, name="study-patient"),
    path("reads/<uuid:read_id>/take-back", take_back_page.take_back_read, name="take-back"),
    path("text-templates", text_templates.text_templates, name="text-templates"),
    path("text-templates/<uuid:template_id>", text_templates.text_template, name="text-template"),
    path("text-templates/<uuid:template_id>/remove", text_templates.remove, name="remove-template"),
    path("lock", lock_page.lock_session, name="lock"),
    path("unlock", lock_page.unlock_session, name="unlock"),
    path("signing-pin", pin_page.signing_pin, name="signing-pin"),
    path("agreement", agreement_page.agreement, name="agreement"),
    path("studies/<uuid:study_id>/ahead", pixels.ahead, name="ahead"),
    path("shortcuts", preference_pages.choose_shortcuts, name="shortcuts"),
    path("worklist/results", preference_pages.open_results, name="open-results"),
    path("reads-first", preference_pages.choose_reads_first, name="reads-first"),
    # Browsers cache the response for a year: a new format needs a new URL.
    path("radiographs/<uuid:radiograph_id>/v2/pixels", pixels.pixels, name="pixels"),
    path("radiographs/<uuid:radiograph_id>/viewed", pixels.viewed, name="viewed"),
    path("radiographs/<uuid:radiograph_id>/image.png", images.image, name="image"),
    path("radiographs/<uuid:radiograph_id>/original", images.original, name="original"),
    path("radiographs/<uuid:radiograph_id>/rerun", actions.rerun, name="rerun"),
    path("predictions/<uuid:prediction_id>/heatmap.png", images.heatmap, name="heatmap"),
    path("heatmap-legend.png", images.legend, name="legend"),
    path("jobs/<uuid:job_id>/cancel", actions.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/release", actions.release, name="release"),
]
