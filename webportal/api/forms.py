"""Serializers with the fields of a Django form, which validates their input."""

from typing import Any, ClassVar

from django import forms
from rest_framework import serializers


class FormSerializer(serializers.Serializer[Any]):
    """Has the fields of `form`, and any declared in addition.

    If `is_partial`, each of them may be omitted. The form itself validates everything beyond types
    and lengths: see `form_problem`.
    """

    form: ClassVar[type[forms.Form]]
    is_partial = False

    def get_fields(self) -> dict[str, "serializers.Field[Any, Any, Any, Any]"]:
        """Return the fields by name."""
        taken = {
            name: _serialized(field, is_required=field.required and not self.is_partial)
            for name, field in self.form.base_fields.items()
        }
        return taken | super().get_fields()


def _serialized(
    field: forms.Field, *, is_required: bool
) -> "serializers.Field[Any, Any, Any, Any]":
    if isinstance(field, forms.DateField):
        return serializers.DateField(required=is_required, allow_null=not field.required)
    if isinstance(field, forms.MultipleChoiceField):
        child = serializers.ChoiceField(choices=_choices(field))
        return serializers.ListField(child=child, required=is_required)
    if isinstance(field, forms.ChoiceField):
        return serializers.ChoiceField(
            choices=_choices(field), required=is_required, allow_blank=not field.required
        )
    if isinstance(field, forms.CharField):
        return serializers.CharField(
            max_length=field.max_length, required=is_required, allow_blank=not field.required
        )
    raise TypeError(f"No serializer is known for {type(field).__name__}.")


def _choices(field: forms.ChoiceField) -> list[tuple[Any, Any]]:
    """The choices of a form field without the empty one."""
    widget = field.widget
    assert isinstance(widget, forms.widgets.ChoiceWidget)
    return [(value, label) for value, label in widget.choices if value != ""]
