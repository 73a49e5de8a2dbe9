"""URL configuration of the account pages."""

from django.urls import path

from webportal.accounts import (
    department_views,
    role_request_views,
    second_factor_views,
    sign_in_views,
    views,
)
from webportal.accounts.oidc import views as oidc_views
from webportal.accounts.saml import views as saml_views

app_name = "accounts"
urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-in/second-step", sign_in_views.second_step, name="second-step"),
    path("sign-in/passkey", sign_in_views.passkey_sign_in, name="passkey-sign-in"),
    path("sign-in/passkey/options", sign_in_views.passkey_options, name="passkey-options"),
    path("sign-in/provider", oidc_views.start, name="oidc"),
    path("sign-in/provider/callback", oidc_views.callback, name="oidc-callback"),
    path("sign-in/saml", saml_views.start, name="saml"),
    path("sign-in/saml/acs", saml_views.consume, name="saml-acs"),
    path("sign-in/saml/logout", saml_views.log_out, name="saml-logout"),
    path("sign-in/saml/metadata", saml_views.metadata, name="saml-metadata"),
    path("sign-in/provider/logout", oidc_views.back_channel_logout, name="oidc-logout"),
    path("sign-out", views.sign_out, name="sign-out"),
    path("account/password", views.change_password, name="change-password"),
    path("account/sessions", views.own_sessions, name="sessions"),
    path("account/sessions/<uuid:session_id>/end", views.end_session, name="end-session"),
    path("account/sign-out-everywhere", views.sign_out_everywhere, name="sign-out-everywhere"),
    path("account/confirm", second_factor_views.confirm, name="confirm"),
    path("account/second-factor", second_factor_views.overview, name="second-factor"),
    path("account/second-factor/app", second_factor_views.app, name="app"),
    path("account/second-factor/app/remove", second_factor_views.remove_app, name="remove-app"),
    path(
        "account/second-factor/recovery-codes",
        second_factor_views.recovery_codes,
        name="recovery-codes",
    ),
    path("account/second-factor/passkeys", second_factor_views.passkeys, name="passkeys"),
    path(
        "account/second-factor/passkeys/options",
        second_factor_views.new_passkey_options,
        name="new-passkey-options",
    ),
    path(
        "account/second-factor/passkeys/<uuid:passkey_id>/remove",
        second_factor_views.remove_passkey,
        name="remove-passkey",
    ),
    path("account/tokens", views.tokens, name="tokens"),
    path("account/tokens/<str:token_key>/revoke", views.revoke_token, name="revoke-token"),
    path("departments", department_views.departments, name="departments"),
    path("departments/<uuid:department_id>", department_views.department, name="department"),
    path("users", views.users, name="users"),
    path("users/requests/passkey", role_request_views.passkey_options, name="approval-passkey"),
    path(
        "users/requests/<uuid:request_id>/approve",
        role_request_views.approve,
        name="approve-roles",
    ),
    path(
        "users/requests/<uuid:request_id>/turn-down",
        role_request_views.turn_down,
        name="turn-down-roles",
    ),
    path("users/<uuid:user_id>", views.user, name="user"),
    path("users/<uuid:user_id>/reset-password", views.reset_password, name="reset-password"),
    path(
        "users/<uuid:user_id>/reset-second-factor",
        views.reset_second_factor,
        name="reset-second-factor",
    ),
]
