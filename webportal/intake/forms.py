"""The form that opens an upload batch."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from webportal.intake import cases
from webportal.intake.cases import CaseRecord, CaseRecordForm, SheetError
from webportal.intake.models import IdentityMode
from webportal.records.models import Priority

MODES = [
    (IdentityMode.TEMPORARY, "The files say it, or nobody knows yet"),
    (IdentityMode.FORM, "All files are of one patient"),
    (IdentityMode.SHEET, "A CSV sheet says it for each file"),
]


class BatchForm(forms.Form):
    """How the files of a batch are to be taken in."""

    name = forms.CharField(
        label="Name of the upload",
        max_length=100,
        required=False,
        help_text="To find it again. Leave patients' names out.",
    )
    priority = forms.TypedChoiceField(
        coerce=int,
        choices=Priority.choices,
        initial=Priority.ROUTINE.value,
        widget=forms.RadioSelect,
        help_text="The worklist and the queue go by it.",
    )
    identity_mode = forms.ChoiceField(
        label="Whose images are they?",
        choices=MODES,
        initial=IdentityMode.TEMPORARY,
        widget=forms.RadioSelect,
    )
    sheet = forms.FileField(
        label="CSV sheet",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".csv,.txt,.tsv,text/csv", "class": "form-control"}
        ),
    )

    sheet_errors: list[SheetError] = []

    def clean(self) -> dict[str, Any]:
        """Check the sheet line by line."""
        fields = self.cleaned_data
        if fields.get("identity_mode") != IdentityMode.SHEET:
            return fields
        sheet: UploadedFile[bytes] | None = fields.get("sheet")
        if sheet is None:
            self.add_error("sheet", "Choose the CSV sheet.")
            return fields
        records, self.sheet_errors = cases.parse_sheet(sheet.read(cases.MAX_SHEET_BYTES + 1))
        fields["records"] = records
        if self.sheet_errors:
            self.add_error(
                "sheet",
                "Nothing was created. Correct the lines below in the sheet, and choose it again.",
            )
        return fields


def read_forms(
    batch_form: BatchForm, case_form: CaseRecordForm
) -> tuple[dict[str, Any], dict[str, CaseRecord]] | None:
    """Return the batch's fields and case records, None where a form needs correction."""
    if not batch_form.is_valid():
        return None
    fields = {key: batch_form.cleaned_data[key] for key in ("name", "priority", "identity_mode")}
    if fields["identity_mode"] == IdentityMode.SHEET:
        return fields, batch_form.cleaned_data["records"]
    if fields["identity_mode"] != IdentityMode.FORM:
        return fields, {}
    if not case_form.is_valid():
        return None
    return fields, {cases.FORM_KEY: case_form.record()}
