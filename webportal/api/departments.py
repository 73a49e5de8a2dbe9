"""Departments: to one of them each study belongs, and people see the studies of theirs."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts import departments
from webportal.accounts.models import Department, Role
from webportal.api.base import Endpoint
from webportal.api.permissions import EVERYONE


class DepartmentSerializer(serializers.ModelSerializer[Department]):
    """A department."""

    class Meta:
        model = Department
        fields = ["id", "name", "created_at"]


class DepartmentName(serializers.Serializer[Any]):
    """What a department is called."""

    name = serializers.CharField(max_length=100)


class DepartmentEndpoint(ListModelMixin, Endpoint[Department]):
    """Departments: the caller's own; all of them for hospital IT and worklist coordinators."""

    queryset = Department.objects.all()
    serializer_class = DepartmentSerializer
    filterset_fields = ["name"]
    ordering_fields = ["name", "created_at"]
    ordering = ["name"]
    roles = {"list": EVERYONE} | dict.fromkeys(("create", "partial_update"), (Role.IT,))

    def get_queryset(self) -> QuerySet[Department]:
        """The departments that the caller may see."""
        if getattr(self, "swagger_fake_view", False):
            return Department.objects.none()
        if self.person.has_role(Role.IT, Role.COORDINATOR):
            return Department.objects.all()
        return departments.departments_of(self.person)

    @extend_schema(request=DepartmentName, responses={201: DepartmentSerializer})
    def create(self, request: Request) -> Response:
        """Add a department, to which nobody belongs yet; 409 for a name in use."""
        given = DepartmentName(data=request.data)
        given.is_valid(raise_exception=True)
        made = departments.create_department(given.validated_data["name"], self.person)
        return Response(self.get_serializer(made).data, status=201)

    @extend_schema(request=DepartmentName)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Rename a department; 409 for a name in use."""
        department = self.get_object()
        given = DepartmentName(data=request.data)
        given.is_valid(raise_exception=True)
        departments.rename_department(department, given.validated_data["name"], self.person)
        return Response(self.get_serializer(self.get_object()).data)
