"""Single sign-on through the hospital's identity provider (OpenID Connect)."""
