"""Which images a reader has viewed: signing requires all of them.

Sent is not seen: an image counts once the client reports that it is displayed, and from then on for
this reader, because the pixels of an image never change. An image added to a study later has been
seen by nobody.
"""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.models import Radiograph, Study
from webportal.review.models import Decision, ImageView, Read
from webportal.review.reads.refusals import ReadingError


@transaction.atomic
def record_viewed(radiograph: Radiograph, viewer: User) -> None:
    """Record that an image is on a person's screen: each time in the trail, once for signing."""
    view = ImageView(reader=viewer, radiograph=radiograph, first_at=timezone.now())
    ImageView.objects.bulk_create([view], ignore_conflicts=True)
    event = Event(Action.IMAGE_VIEWED, "radiograph", radiograph.pk, radiograph.study_id)
    append(event, viewer)


def images_not_viewed(study: Study, reader: User) -> list[Radiograph]:
    """The images of a study that have never been on this reader's screen, in their order."""
    return list(study.radiographs.exclude(views__reader=reader))


def refuse_changed_images(study: Study, images: int | None) -> None:
    """Refuse a signature if an image has been added to the study since its page was rendered.

    `images` is how many that page had, None if the client does not say. The number is enough: an
    image is never replaced and never leaves its study, so a study's images only become more. Raises
    ReadingError with the code images_changed.
    """
    if images is not None and study.radiographs.count() != images:
        raise ReadingError(
            "images_changed",
            _(
                "Another image has been added to this study since you opened the page. Look at it"
                " below, check what you wrote and sign again; your text is kept."
            ),
        )


def refuse_unviewed(study: Study, read: Read, not_viewed: list[Radiograph]) -> None:
    """Refuse a read of images that its reader has not seen.

    A study whose image cannot be shown may be signed as not interpretable; the impression must then
    say so. Raises ReadingError with the code images_not_viewed or reason_missing.
    """
    if study.radiographs.exists() and not not_viewed:
        return
    if read.decision != Decision.NOT_INTERPRETABLE:
        text = (
            _(
                "You have not viewed {images}. View every image, then sign again; your text is"
                " kept. If an image cannot be displayed, you can only sign as “not interpretable”."
            )
            if not_viewed
            else _(
                "This study has no image, so you can only sign as “not interpretable”. Your text"
                " is kept."
            )
        )
        raise ReadingError("images_not_viewed", text.format(images=list_images(study, not_viewed)))
    if not read.comment.strip():
        text = (
            _(
                "You have not viewed {images}. Say in the impression why the study is not"
                " interpretable, then sign again."
            )
            if not_viewed
            else _(
                "This study has no image. Say in the impression why it is not interpretable, then"
                " sign again."
            )
        )
        raise ReadingError("reason_missing", text.format(images=list_images(study, not_viewed)))


def refuse_addendum_unviewed(
    study: Study, not_viewed: list[Radiograph], despite_unseen: bool
) -> None:
    """Refuse to take a study off the worklist with an image that the author has not seen.

    Raises ReadingError with the code images_not_viewed.
    """
    if not_viewed and not despite_unseen:
        raise ReadingError(
            "images_not_viewed",
            _(
                "You have not viewed {images}. View every image, then sign again. If an image"
                " cannot be displayed, say so in the text and tick the box."
            ).format(images=list_images(study, not_viewed)),
        )


def list_images(study: Study, images: Iterable[Radiograph]) -> str:
    """Images by number, such as “image 1 of 3, image 3 of 3”."""
    order = [each.pk for each in study.radiographs.all()]
    return ", ".join(
        _("image %(number)d of %(count)d")
        % {"number": order.index(image.pk) + 1, "count": len(order)}
        for image in images
    )
