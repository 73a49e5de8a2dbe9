"""Why images are not in an export: in English in its manifest, translated on the page."""

from django.utils.translation import gettext_lazy as _

REASONS = {
    "burned_in": _("The file says that text is burnt in, or may be."),
    "not_stated": _("The file does not say whether text is burnt in."),
    "text": _("There seems to be text in the image."),
    "upload": _("JPEG or PNG uploads: nothing says whether text is burnt in."),
    "recognisable": _("The file says that a person can be recognised in the image."),
    "hidden_bits": _("There is something in the unused bits of the pixels, perhaps an overlay."),
    "kind": _("A kind of image that is not exported."),
    "unreadable": _("The image could not be read here."),
    "file": _("The stored file is missing or damaged."),
}

FAILURES = {
    "nothing": _("No image could be exported."),
    "storage": _("The storage was full or could not be reached."),
    "internal": _("An error of the portal; hospital IT finds it in the scheduler’s log."),
    "not_allowed": _("The person who requested it may no longer export studies."),
}
