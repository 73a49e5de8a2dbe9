"""Moving a study to another department."""

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from webportal.access.shown import show
from webportal.accounts.models import Department
from webportal.accounts.roles import SignedInRequest, allow
from webportal.records.models import Study
from webportal.records.services import RecordError
from webportal.review.study.moving import MOVERS, move_to_department, referrer_without_access


class MoveToDepartmentForm(forms.Form):
    """The department that a study is moved to."""

    department = forms.ModelChoiceField(Department.objects.all(), label=gettext_lazy("Department"))


@allow(*MOVERS)
@require_http_methods(["GET", "POST"])
def move(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Move a study; whoever does not belong to the other department does not see it any more."""
    visible = Study.objects.visible_to(request.user).select_related("patient", "department")
    study = get_object_or_404(visible, pk=study_id)
    form = MoveToDepartmentForm(request.POST or None, initial={"department": study.department})
    if form.is_valid():
        department = form.cleaned_data["department"]
        try:
            move_to_department(study, department, request.user)
        except RecordError as error:
            form.add_error(None, str(error))
        else:
            words = _("The study belongs to {department} now.").format(department=department)
            messages.success(request, words)
            study.refresh_from_db()
            if (referrer := referrer_without_access(study)) is not None:
                words = _(
                    "{referrer} does not belong to {department} and will not get the report. Send"
                    " it to somebody else, or ask hospital IT to add them to the department."
                ).format(referrer=referrer, department=department)
                messages.warning(request, words)
            is_seen = Study.objects.visible_to(request.user).filter(pk=study.pk).exists()
            return redirect("review:study", study.pk) if is_seen else redirect("review:worklist")
    show(request, study)
    context = {"study": study, "form": form}
    status = 422 if form.is_bound else 200
    return render(request, "review/study/department.html", context, status=status)
