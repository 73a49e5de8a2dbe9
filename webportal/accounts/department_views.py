"""Departments, for hospital IT."""

import uuid

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from webportal.accounts import departments as services
from webportal.accounts.forms import DepartmentForm
from webportal.accounts.models import Department, Role
from webportal.accounts.roles import SignedInRequest, allow


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def departments(request: SignedInRequest) -> HttpResponse:
    """All departments, and a form for a new one."""
    form = DepartmentForm(request.POST or None)
    if form.is_valid():
        try:
            made = services.create_department(form.cleaned_data["name"], request.user)
        except services.DepartmentError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, _("{department} is added.").format(department=made))
            return redirect("accounts:departments")
    context = {"departments": Department.objects.annotate(members=Count("people")), "form": form}
    return render(request, "accounts/departments.html", context)


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def department(request: SignedInRequest, department_id: uuid.UUID) -> HttpResponse:
    """Rename a department; who belongs to it is changed with the person."""
    shown = get_object_or_404(Department, pk=department_id)
    form = DepartmentForm(request.POST or None, initial={"name": shown.name})
    if form.is_valid():
        try:
            services.rename_department(shown, form.cleaned_data["name"], request.user)
        except services.DepartmentError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, _("The department is renamed."))
            return redirect("accounts:departments")
    members = shown.memberships.select_related("user").order_by("user__username")
    context = {"department": shown, "form": form, "members": members}
    return render(request, "accounts/department.html", context)
