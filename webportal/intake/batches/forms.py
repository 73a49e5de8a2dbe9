"""Form that opens an upload batch."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from webportal.accounts.departments import departments_of
from webportal.accounts.models import Department, User
from webportal.intake.cases import case_record
from webportal.intake.cases.case_record import CaseRecord, CaseRecordForm
from webportal.intake.cases.sheet import MAX_SHEET_BYTES, Sheet, parse
from webportal.intake.models import IdentityMode
from webportal.records.choices import Priority

MODES = [
    (IdentityMode.TEMPORARY, _("As stated in the files, or not known yet")),
    (IdentityMode.FORM, _("All files belong to one patient")),
    (IdentityMode.SHEET, _("As listed in a CSV sheet, file by file")),
]


class BatchForm(forms.Form):
    """How the files of a batch get their patients."""

    name = forms.CharField(
        label=_("Name of the upload"),
        max_length=100,
        required=False,
        help_text=_("So that you can find it again. Leave out patients' names."),
    )
    priority = forms.TypedChoiceField(
        label=_("Priority"),
        coerce=int,
        choices=Priority.choices,
        initial=Priority.ROUTINE.value,
        widget=forms.RadioSelect,
        help_text=_("The worklist and the queue are ordered by it."),
    )
    identity_mode = forms.ChoiceField(
        label=_("Whose images are they?"),
        choices=MODES,
        initial=IdentityMode.TEMPORARY,
        widget=forms.RadioSelect,
    )
    sheet = forms.FileField(
        label=_("CSV sheet"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".csv,.txt,.tsv,text/csv", "class": "form-control"}
        ),
    )

    department = forms.ModelChoiceField(
        Department.objects.none(),
        label=_("Department"),
        help_text=_("New studies belong to it, and its members see them."),
    )

    checked_sheet: Sheet | None = None

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = departments_of(by)
        department = self.fields["department"]
        assert isinstance(department, forms.ModelChoiceField)
        department.queryset = own
        # With one there is nothing to choose; with none, creating the batch says what to do.
        if own.count() < 2:
            del self.fields["department"]

    def clean(self) -> dict[str, Any]:
        """Check the sheet line by line."""
        fields = self.cleaned_data
        if fields.get("identity_mode") != IdentityMode.SHEET:
            return fields
        file: UploadedFile[bytes] | None = fields.get("sheet")
        if file is None:
            self.add_error("sheet", gettext("Choose the CSV sheet."))
            return fields
        self.checked_sheet = parse(file.read(MAX_SHEET_BYTES + 1))
        if self.checked_sheet.bad_lines:
            self.add_error(
                "sheet",
                gettext(
                    "Nothing was created. Correct the lines below in the sheet, and choose it"
                    " again."
                ),
            )
        return fields


def read_forms(
    batch_form: BatchForm, case_form: CaseRecordForm
) -> tuple[dict[str, Any], dict[str, CaseRecord]] | None:
    """Return the batch's fields and case records, None where a form needs correction."""
    if not batch_form.is_valid():
        return None
    fields = {key: batch_form.cleaned_data[key] for key in ("name", "priority", "identity_mode")}
    fields["department"] = batch_form.cleaned_data.get("department")
    if batch_form.checked_sheet is not None:
        return fields, batch_form.checked_sheet.records
    if fields["identity_mode"] != IdentityMode.FORM:
        return fields, {}
    if not case_form.is_valid():
        return None
    return fields, {case_record.FORM_KEY: case_form.record()}
