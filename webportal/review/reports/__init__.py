"""The one-page report of a signed study for the referring clinician: page, print and PDF."""
