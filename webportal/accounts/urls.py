"""URL configuration of the account pages."""

from django.urls import path

from webportal.accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-out", views.sign_out, name="sign-out"),
    path("account/password", views.change_password, name="change-password"),
    path("account/sessions", views.own_sessions, name="sessions"),
    path("account/sessions/<uuid:session_id>/end", views.end_session, name="end-session"),
    path("account/sign-out-everywhere", views.sign_out_everywhere, name="sign-out-everywhere"),
    path("account/tokens", views.tokens, name="tokens"),
    path("account/tokens/<str:token_key>/revoke", views.revoke_token, name="revoke-token"),
    path("users", views.users, name="users"),
    path("users/<uuid:user_id>", views.user, name="user"),
    path("users/<uuid:user_id>/reset-password", views.reset_password, name="reset-password"),
]
