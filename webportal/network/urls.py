"""URL configuration of the pages of the DICOM network."""

from django.urls import path

from webportal.network import commitment_views, views
from webportal.network.priors import views as prior_views

app_name = "network"
urlpatterns = [
    path("dicom", views.network, name="network"),
    path("dicom/nodes/<uuid:node_id>", views.node, name="node"),
    path("dicom/nodes/<uuid:node_id>/test", views.test_node, name="test-node"),
    path("dicom/nodes/<uuid:node_id>/priors", prior_views.source, name="prior-source"),
    path("dicom/priors", prior_views.priors, name="priors"),
    path("dicom/priors/<uuid:request_id>/again", prior_views.ask_again, name="prior-again"),
    path("dicom/commitments", commitment_views.commitments, name="commitments"),
    path(
        "dicom/commitments/<uuid:commitment_id>/again",
        commitment_views.send_again,
        name="commitment-again",
    ),
    path("dicom/inbox", views.received, name="inbox"),
    path("dicom/inbox/adopt", views.adopt, name="adopt"),
    path("dicom/inbox/discard-kept", views.discard_kept, name="discard-kept"),
    path("dicom/inbox/<uuid:received_id>/retry", views.retry, name="retry"),
    path("dicom/inbox/<uuid:received_id>/discard", views.discard, name="discard"),
]
