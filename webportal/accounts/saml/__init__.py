"""Single sign-on through the hospital's identity provider by SAML 2.0."""
