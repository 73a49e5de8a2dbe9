"""URL configuration of the REST API, version 1."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from webportal.api.access import AccessEntryEndpoint
from webportal.api.agreement import AgreementEndpoint
from webportal.api.batch_results import BatchResultEndpoint
from webportal.api.bulk import BulkEndpoint
from webportal.api.departments import DepartmentEndpoint
from webportal.api.erasures import ErasureEndpoint, PatientErasureEndpoint
from webportal.api.held import HeldFileEndpoint
from webportal.api.jobs import JobEndpoint
from webportal.api.model_versions import ModelVersionEndpoint
from webportal.api.network import NodeEndpoint, ReceivedEndpoint
from webportal.api.notifications import NotificationEndpoint
from webportal.api.openapi import OpenAPIDocument
from webportal.api.patients import PatientEndpoint
from webportal.api.predictions import PredictionEndpoint
from webportal.api.queue import QueueEndpoint
from webportal.api.radiographs import RadiographEndpoint, StudyRerunEndpoint
from webportal.api.reads import ReadEndpoint, ReadingEndpoint, TextTemplateEndpoint
from webportal.api.research import ResearchExportEndpoint
from webportal.api.studies import StudyEndpoint
from webportal.api.tokens import TokenEndpoint
from webportal.api.trail import AuditEntryEndpoint
from webportal.api.uploads import BatchEndpoint, BatchFileEndpoint
from webportal.api.users import UserEndpoint
from webportal.api.workers import WorkerEndpoint

app_name = "api"

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("tokens", TokenEndpoint, "token")
router.register("patients", PatientEndpoint, "patient")
router.register("patients", PatientErasureEndpoint, "patient-erasure")
router.register("erasures", ErasureEndpoint, "erasure")
router.register("studies", StudyEndpoint, "study")
router.register("studies", ReadingEndpoint, "reading")
router.register("studies", BulkEndpoint, "bulk")
router.register("studies", StudyRerunEndpoint, "study-rerun")
router.register("radiographs", RadiographEndpoint, "radiograph")
router.register("queue", QueueEndpoint, "queue")
router.register("jobs", JobEndpoint, "job")
router.register("predictions", PredictionEndpoint, "prediction")
router.register("reads", ReadEndpoint, "read")
router.register("text-templates", TextTemplateEndpoint, "text-template")
router.register("agreement", AgreementEndpoint, "agreement")
router.register("batches", BatchEndpoint, "batch")
router.register("batches", BatchResultEndpoint, "batch-result")
router.register("notifications", NotificationEndpoint, "notification")
router.register("held-files", HeldFileEndpoint, "held-file")
router.register("model-versions", ModelVersionEndpoint, "model-version")
router.register("workers", WorkerEndpoint, "worker")
router.register("departments", DepartmentEndpoint, "department")
router.register("users", UserEndpoint, "user")
router.register("access-entries", AccessEntryEndpoint, "access-entry")
router.register("dicom-nodes", NodeEndpoint, "dicom-node")
router.register("received-instances", ReceivedEndpoint, "received-instance")
router.register("research-exports", ResearchExportEndpoint, "research-export")
router.register("audit-entries", AuditEntryEndpoint, "audit-entry")

urlpatterns = [
    path(
        "batches/<uuid:batch_id>/files",
        BatchFileEndpoint.as_view({"get": "list", "post": "create"}),
        name="batch-files",
    ),
    path("openapi.yaml", OpenAPIDocument.as_view(), name="schema"),
    *router.urls,
]
