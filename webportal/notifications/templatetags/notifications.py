"""Template tags for the text of a notification."""

from django import template

from webportal.notifications import words

register = template.Library()
register.filter("in_words", words.in_words)
