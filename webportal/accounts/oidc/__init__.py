"""Sign-in by the hospital's identity provider (OpenID Connect)."""
