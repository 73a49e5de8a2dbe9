"""Settings of Django REST framework and drf-spectacular, for webportal.settings."""

from webportal.version import VERSION

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "webportal.api.authentication.APITokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["webportal.api.permissions.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["webportal.api.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "webportal.api.negotiation.SingleRenderer",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_FILTER_BACKENDS": [
        "webportal.api.filters.StrictFilters",
        "webportal.api.pagination.StableOrdering",
    ],
    "DEFAULT_PAGINATION_CLASS": "webportal.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "webportal.api.schema.Schema",
    "EXCEPTION_HANDLER": "webportal.api.problems.problem_response",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Chestline",
    "DESCRIPTION": "Chest X-ray studies, the model's results and the radiologists' reads.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Tokens are for programs; sessions for calls from the portal's own pages.
    "AUTHENTICATION_WHITELIST": ["webportal.api.authentication.APITokenAuthentication"],
    # One enum name per set of values, wherever it occurs.
    "ENUM_NAME_OVERRIDES": {
        "DecisionEnum": "webportal.review.models.Decision",
        "ErasureStateEnum": "webportal.erasure.models.ErasureState",
        "HeldFileDecisionEnum": "webportal.intake.held.resolution.HeldDecision",
        "JobStateEnum": "webportal.inference.models.JobState",
        "NotificationKindEnum": "webportal.notifications.models.NotificationKind",
        "ReadKindEnum": "webportal.review.models.ReadKind",
        "ReadStateEnum": "webportal.review.models.ReadState",
        "WorkerStateEnum": "webportal.inference.fleet.WorkerState",
        "PriorityEnum": "webportal.api.base.PRIORITIES",
        "RolesEnum": "webportal.accounts.models.Role",
    },
}
