"""Nothing that works for a person reads studies of others' departments: the check itself."""

from tools.scoping import is_scoped, unscoped

MODEL = "class Study(OfStudy):\n    pass\n"


def _found(code: str) -> list[str]:
    sources = {"webportal/a/models.py": MODEL, "webportal/a/views.py": code}
    return [each.what for each in unscoped(sources)]


def test_the_portal_reads_studies_on_behalf_of_somebody() -> None:
    assert is_scoped()


def test_a_view_that_reads_studies_unscoped_is_found() -> None:
    for read in (
        "Study.objects.all()",
        "Study.objects.filter(pk=study_id)",
        "Study.objects.filter(pk__in=ids)",
        "Study._default_manager.count()",
        "list(map(str, Study.objects))",
    ):
        assert _found(f"def view(request):\n    return {read}\n"), read
    assert _found("def view(request):\n    return get_object_or_404(Study, pk=study_id)\n")
    assert _found("def view(request):\n    return get_object_or_404(patient.studies, pk=1)\n")
    assert _found("def view(request):\n    return patient.studies.count()\n")


def test_another_name_of_a_model_hides_nothing() -> None:
    for code in (
        "def view(request):\n    return models.Study.objects.all()\n",
        "def view(request):\n    return get_object_or_404(models.Study, pk=study_id)\n",
        "from a.models import Study as Examination\n\nExamination.objects.all()\n",
    ):
        assert _found(code), code
    assert not _found("def view(request):\n    return models.Study.objects.visible_to(person)\n")


def test_what_is_scoped_or_handed_over_passes() -> None:
    for read in (
        "Study.objects.visible_to(person).filter(pk=study_id)",
        "Study.objects.in_departments_of(person).count()",
        "Study.objects.select_for_update().get(pk=study.pk)",
        "Study.objects.create(department=department)",
        "patient.studies.visible_to(person).count()",
        "page.studies",
    ):
        assert not _found(f"def view(request):\n    return {read}\n"), read
