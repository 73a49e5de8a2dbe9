"""The one-page report of a signed study, for whoever asked for it: page, print and PDF."""
