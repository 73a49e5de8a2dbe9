"""The series of an image, and what the columns hold of the values in its header."""

from django.db.models import Model

from ml.images import ImageFacts
from webportal.database.rows import insert_or_get
from webportal.intake.checks.wrapping import make_uid
from webportal.records.identifiers import is_uid
from webportal.records.models import Series, Study


def series_of(study: Study, facts: ImageFacts) -> Series:
    """Return the series of an image, found or created."""
    new = new_series(study, facts)
    series, _ = insert_or_get(new, study=study, series_instance_uid=new.series_instance_uid)
    return series


def series_uid(study: Study, facts: ImageFacts) -> str:
    """Return the UID of an image's series; images that name none are one together."""
    own = facts.series_instance_uid
    return own if is_uid(own) else make_uid("series", study.study_instance_uid)


def new_series(study: Study, facts: ImageFacts) -> Series:
    """Return the series of an image, not yet saved."""
    return Series(
        study=study,
        series_instance_uid=series_uid(study, facts),
        number=facts.series_number,
        description=facts.series_description,
        modality=facts.modality,
        manufacturer=facts.manufacturer,
        model_name=facts.manufacturer_model_name,
        institution=facts.institution_name,
        **cut_to_columns(
            Series,
            body_part=facts.body_part_examined,
            laterality=facts.image_laterality,
            station_name=facts.station_name,
            ae_title=facts.source_ae_title,
        ),
    )


def cut_to_columns(model: type[Model], **values: str) -> dict[str, str]:
    """Return header values cut to the lengths of their columns.

    They are compared with known terms and never identify anything.
    """
    lengths = {column.name: column.max_length for column in model._meta.concrete_fields}
    return {name: value[: lengths[name]] for name, value in values.items()}
