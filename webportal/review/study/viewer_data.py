"""Viewer data of the study page: images, earlier studies, keys and texts."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.records.bikram_sambat import written_day
from webportal.records.choices import Purpose
from webportal.records.models import Radiograph, Study
from webportal.records.visibility import sees_all_of
from webportal.review.models import Read
from webportal.review.preferences import has_shortcuts, reads_first
from webportal.review.reads.blinding import closes_result, visible_predictions
from webportal.review.reads.marks import MARKED_FINDINGS
from webportal.review.reads.measurements import MeasurementKind, with_formatted_values
from webportal.review.study.priors import TimelineEntry, timeline, to_compare
from webportal.review.study.viewer_tools import Group, by_name, in_group, key_bindings, key_list


def viewer_context(
    study: Study,
    reader: User,
    first: Radiograph | None,
    *,
    may_mark: bool,
    amended: Read | None = None,
    results_are_open: bool = False,
) -> dict[str, Any]:
    """Build the context of viewer.html and timeline.html.

    `first` is the image to open, `may_mark` whether the page has a reading form for marks; those of
    the `amended` read are already in the form. `results_are_open` means that the reader has opened
    closed results.
    """
    entries = timeline(study, reader, is_open=results_are_open)
    has_keys = has_shortcuts(reader)
    heatmaps = _heatmaps(study, reader)
    shown = next(entry for entry in entries if entry.is_shown)
    groups = to_compare(entries)
    priors = [entry for _heading, found in groups for entry in found]
    return {
        "timeline": entries,
        "lists_own_departments_only": not sees_all_of(reader, study.patient_id),
        "priors": groups,
        "reads_first": reads_first(reader),
        "machine_is_closed": closes_result(reader, study),
        "viewer_tools": [
            action for action in in_group(Group.TOOL) if may_mark or action.name != "tool-mark"
        ],
        # Zoom works by wheel and touch; the buttons are for users with neither these nor the keys.
        "viewer_views": [
            action
            for action in in_group(Group.VIEW)
            if action.icon and not (has_keys and action.name in ("zoom-in", "zoom-out"))
        ],
        "viewer_windows": in_group(Group.WINDOW),
        "viewer_delete": by_name("delete-all"),
        "viewer_compare": by_name("compare"),
        "viewer_link": by_name("link"),
        "viewer_two_up": by_name("two-up"),
        "viewer_marks": by_name("marks"),
        "viewer_overlay": by_name("overlay"),
        "viewer_shutter": by_name("shutter"),
        "marked_findings": MARKED_FINDINGS,
        "viewer_help": by_name("help"),
        "viewer_keys": key_list(has_keys),
        "viewer_data": {
            "reader": str(reader.pk),
            "images": [_image(each, shown, heatmaps) for each in shown.radiographs],
            "first": str(first.pk) if first else "",
            "priors": [
                {
                    "id": str(entry.study.pk),
                    "images": [_image(each, entry, {}) for each in entry.radiographs],
                }
                for entry in priors
            ],
            # From the reads that this reader may see, including those of earlier studies.
            "marks": [
                mark | {"by": str(read.reader)}
                for entry in entries
                for read in entry.reads
                if read != amended
                for mark in read.marks
            ],
            "measurements": [
                each | {"by": str(read.reader)}
                for entry in entries
                for read in entry.reads
                if read != amended
                for each in with_formatted_values(read.measurements)
            ],
            "findings": {finding: str(label) for finding, label in MARKED_FINDINGS},
            "ahead": reverse("review:ahead", args=[study.pk]),
            "keys": key_bindings(),
            "texts": _orientation_texts()
            | {
                "loading": _("Loading the image …"),
                "failed": _(
                    "The image could not be loaded. Reload the page; if it fails again, download"
                    " the original and tell hospital IT."
                ),
                "lost": _(
                    "The browser can no longer display images: it has lost the graphics "
                    "card. Reload the page; your text is kept."
                ),
                "inverted": _("inverted"),
                "atDetector": _("at the detector"),
                "mean": _("mean"),
                "deviation": _("SD"),
                "image": _("image"),
                "point": _("point"),
                "deleteMark": _("Delete the mark"),
                "keep": _("Keep with the read"),
                "removeMeasurement": _("Remove the measurement"),
                **{str(kind): str(label) for kind, label in MeasurementKind.choices},
                "overlayHidden": _("Overlay hidden"),
                "shutterOn": _("Display shutter on"),
                "shutterLifted": _("Display shutter lifted"),
                "overlayUnreadable": _("An overlay of this file cannot be shown"),
                "overlayCut": _("The overlay extends beyond the image"),
            },
        },
    }


def _orientation_texts() -> dict[str, str]:
    """Image orientation and its effect on the zones, as text; degrees are clockwise."""
    return {
        "rotated90": _("Rotated 90° right"),
        "rotated180": _("Rotated 180°"),
        "rotated270": _("Rotated 90° left"),
        "flippedHorizontally": _("Flipped left–right"),
        "flippedVertically": _("Flipped top–bottom"),
        "flippedRotated90": _("Flipped and rotated 90° right"),
        "flippedRotated270": _("Flipped and rotated 90° left"),
        "zonesMirrored": _("As in the image: the patient’s right is on the right."),
        "zonesLying": _("The image lies on its side. Here the patient’s right is on the left."),
        "zonesUnnamed": _(
            "The file does not say which side is which. Check the side marker in the image."
        ),
    }


def _heatmaps(study: Study, reader: User) -> dict[Any, str]:
    """URLs of the heat maps that this reader may see, by radiograph."""
    predictions = Prediction.objects.filter(
        visible_predictions(reader),
        radiograph__study=study,
        is_current=True,
        probability__isnull=False,
        heatmap_rows__gt=0,
    ).exclude(purpose=Purpose.WITHHELD)
    return {
        radiograph: reverse("review:heatmap", args=[pk])
        for pk, radiograph in predictions.values_list("pk", "radiograph")
    }


def _image(
    radiograph: Radiograph, entry: TimelineEntry, heatmaps: dict[Any, str]
) -> dict[str, Any]:
    study, patient = entry.study, entry.study.patient
    number = entry.radiographs.index(radiograph) + 1
    day = written_day(entry.at) if entry.at else _("date not given")
    at = " ".join(filter(None, [day, entry.time]))
    birth = patient.birth_date
    born = _("born %(date)s") % {"date": written_day(birth)} if birth else ""
    identity = "" if patient.is_temporary else _("ID %(id)s") % {"id": patient.patient_id}
    sex = patient.get_sex_display() if patient.sex else ""
    place = _("image %(number)d of %(count)d") % {"number": number, "count": len(entry.radiographs)}
    view = " ".join(filter(None, [radiograph.modality, radiograph.view_position]))
    accession = study.accession_number
    return {
        "id": str(radiograph.pk),
        "label": radiograph.view_position,
        "pixels": reverse("review:pixels", args=[radiograph.pk]),
        "viewed": reverse("review:viewed", args=[radiograph.pk]),
        "heatmap": heatmaps.get(radiograph.pk, ""),
        "patient": list(
            filter(None, [patient.display_name, identity, " · ".join(filter(None, [born, sex]))])
        ),
        "study": list(
            filter(
                None,
                [
                    " · ".join(filter(None, [at, entry.interval])),
                    view,
                    accession,
                    place if len(entry.radiographs) > 1 else "",
                ],
            )
        ),
    }
