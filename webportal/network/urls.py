"""URL configuration of the pages of the DICOM network."""

from django.urls import path

from webportal.network import views

app_name = "network"
urlpatterns = [
    path("dicom", views.network, name="network"),
    path("dicom/nodes/<uuid:node_id>", views.node, name="node"),
    path("dicom/nodes/<uuid:node_id>/test", views.test_node, name="test-node"),
    path("dicom/inbox", views.received, name="inbox"),
    path("dicom/inbox/adopt", views.adopt, name="adopt"),
    path("dicom/inbox/<uuid:received_id>/retry", views.retry, name="retry"),
    path("dicom/inbox/<uuid:received_id>/discard", views.discard, name="discard"),
]
