"""The sheet of case records is validated line by line before anything is created."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.intake.test_upload_in_browser import context as context
from webportal.intake.models import UploadBatch

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_sheet_is_shown_corrected_and_used(context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    page.goto("/uploads/new")
    page.get_by_text("As listed in a CSV sheet, file by file").click()
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("file,patient_id,birth_date,sex\na.png,P-1,03.02.1980,\nb.png,P-2,,\n")
    page.get_by_label("CSV sheet", exact=True).set_input_files(sheet)
    preview = page.locator("#sheet-preview")
    expect(preview).to_contain_text("1 line to correct, 1 valid line")
    columns = preview.get_by_role("columnheader")
    expect(columns).to_have_text(["Line", "Verdict", "file", "patient_id", "birth_date"])
    expect(preview).to_contain_text("Not shown because they are empty in every line: sex.")
    wrong = preview.locator(".wrong")
    expect(wrong).to_contain_text("03.02.1980")
    expect(wrong).to_contain_text("YYYY-MM-DD")
    expect(preview.get_by_role("button", name="Use this sheet")).to_have_count(0)
    assert not UploadBatch.objects.exists()

    good = tmp_path / "good.csv"
    good.write_text("file,patient_id,birth_date\na.png,P-1,1980-02-03\nb.png,P-2,\n")
    page.get_by_label("CSV sheet", exact=True).set_input_files(good)
    expect(preview).to_contain_text("All 2 lines are valid")
    assert not UploadBatch.objects.exists()
    preview.get_by_role("button", name="Use this sheet and continue").click()
    expect(page.get_by_text("Drop files, a folder or a ZIP here")).to_be_visible()
    assert set(UploadBatch.objects.get().case_records) == {"a.png", "b.png"}
