"""What DICOMweb shows."""

from webportal.access.models import AccessKind
from webportal.access.routes.declarations import Declared

ROUTES: Declared = {
    "dicomweb:studies": AccessKind.LIST,
    "dicomweb:series": AccessKind.LIST,
    "dicomweb:instances": AccessKind.LIST,
    "dicomweb:study": AccessKind.EXPORT,
    "dicomweb:study-metadata": AccessKind.STUDY,
    "dicomweb:study-thumbnail": AccessKind.IMAGE,
    "dicomweb:study-series": AccessKind.LIST,
    "dicomweb:study-instances": AccessKind.LIST,
    "dicomweb:one-series": AccessKind.EXPORT,
    "dicomweb:series-metadata": AccessKind.STUDY,
    "dicomweb:series-thumbnail": AccessKind.IMAGE,
    "dicomweb:series-instances": AccessKind.LIST,
    "dicomweb:instance": AccessKind.EXPORT,
    "dicomweb:instance-metadata": AccessKind.STUDY,
    "dicomweb:rendered": AccessKind.IMAGE,
    "dicomweb:thumbnail": AccessKind.IMAGE,
    "dicomweb:bulk-data": AccessKind.IMAGE,
    "dicomweb:frames": AccessKind.IMAGE,
    "dicomweb:frame-rendered": AccessKind.IMAGE,
    "dicomweb:frame-thumbnail": AccessKind.IMAGE,
}
