"""Template tags for the text of a notification."""

from django import template

from webportal.notifications import kinds

register = template.Library()
register.filter("sentence", kinds.sentence)
