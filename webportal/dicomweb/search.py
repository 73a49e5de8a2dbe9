"""Searches for studies, series and instances (QIDO-RS)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from webportal.dicomweb import addresses
from webportal.dicomweb.attributes import ATTRIBUTES, Attribute, FoundRow, Level, StudyContents
from webportal.dicomweb.elements import Json, element
from webportal.dicomweb.query import Query, matches, of_study
from webportal.dicomweb.reports import StructuredReport
from webportal.records.models import Radiograph, Series, Study

CHARACTER_SET = "ISO_IR 192"


@dataclass(frozen=True)
class SearchPage:
    """A page of results, newest first, and the number of results after it."""

    found: list[FoundRow]
    remaining: int


def search(
    query: Query,
    level: Level,
    studies: QuerySet[Study],
    within: Q,
    reports: Sequence[StructuredReport] = (),
) -> SearchPage:
    """Return a page of the results among `studies`, and after them among `reports` of one study.

    `within`: restrictions from the URL path. Results are in order of arrival, because an order by
    urgency would reveal the model's result.
    """
    rows = _rows(level, studies).filter(within).filter(_once(query.conditions, level))
    rows = rows.order_by("-created_at", "pk")
    others = _found_reports(query, level, reports)
    page = list(rows[query.offset : query.offset + query.limit])
    # Counted only where it matters.
    number = rows.count() if others or len(page) == query.limit else 0
    start = max(query.offset - number, 0)
    after = others[start : start + query.limit - len(page)]
    remaining = max(number + len(others) - query.offset - query.limit, 0)
    return SearchPage(_found(level, page) + after, remaining)


def _rows(level: Level, studies: QuerySet[Study]) -> QuerySet[Any]:
    if level == Level.STUDY:
        return studies.select_related("patient")
    if level == Level.SERIES:
        images = Radiograph.objects.filter(series=OuterRef("pk"))
        found: QuerySet[Any] = Series.objects.filter(Exists(images), study__in=studies)
        return found.select_related("study__patient")
    return Radiograph.objects.filter(study__in=studies, series__isnull=False).select_related(
        "series", "study__patient"
    )


def _once(conditions: Q, level: Level) -> Q:
    """Equivalent conditions that match an object with several images only once."""
    model: Any = {Level.STUDY: Study, Level.SERIES: Series, Level.INSTANCE: Radiograph}[level]
    if not conditions:
        return conditions
    return Q(pk__in=model.objects.filter(conditions).values("pk"))


def _found(level: Level, rows: list[Any]) -> list[FoundRow]:
    if level == Level.STUDY:
        contents = contents_of(row.pk for row in rows)
        return [FoundRow(row, contents[row.pk]) for row in rows]
    contents = contents_of(row.study_id for row in rows)
    if level == Level.SERIES:
        return [FoundRow(row.study, contents[row.study_id], row) for row in rows]
    return [FoundRow(row.study, contents[row.study_id], row.series, row) for row in rows]


def _found_reports(
    query: Query, level: Level, reports: Sequence[StructuredReport]
) -> list[FoundRow]:
    """The reports of a study that a search finds: instances, or one of each series."""
    if not reports:
        return []
    study = reports[0].study
    if not Study.objects.filter(of_study(query), pk=study.pk).exists():
        return []
    in_series = Counter(report.pk for report in reports)
    contents = replace(contents_of([study.pk])[study.pk], in_series=dict(in_series))
    of_level = reports if level == Level.INSTANCE else {each.pk: each for each in reports}.values()
    found = [FoundRow(study, contents, each, each) for each in of_level]
    keys = [(attribute, text) for attribute, text in query.keys if attribute.level > Level.STUDY]
    found = [
        each
        for each in found
        if all(matches(attribute, attribute.value(each), text) for attribute, text in keys)
    ]
    if level == Level.SERIES:
        return [replace(each, radiograph=None) for each in found]
    return found


def contents_of(study_ids: Iterable[UUID]) -> dict[UUID, StudyContents]:
    """Return the contents of each of these studies."""
    found: dict[UUID, list[tuple[Any, str, str]]] = defaultdict(list)
    images = Radiograph.objects.filter(study__in=set(study_ids)).order_by()
    rows = images.values_list("study", "series", "modality", "sop_class_uid")
    for study, series, modality, sop_class in rows:
        found[study].append((series, modality, sop_class))
    return {study: _contents(images) for study, images in found.items()}


def _contents(images: list[tuple[Any, str, str]]) -> StudyContents:
    in_series: dict[Any, int] = defaultdict(int)
    for series, _modality, _sop_class in images:
        in_series[series] += 1
    return StudyContents(
        sorted({modality for _series, modality, _class in images}),
        sorted({sop_class for _series, _modality, sop_class in images}),
        len(in_series),
        len(images),
        dict(in_series),
    )


def result(found: FoundRow, level: Level, query: Query, root: str, *, is_scoped: bool) -> Json:
    """Return a result as DICOM JSON.

    In a search within a study, the levels above are represented only by UIDs, unless more is
    requested.
    """
    shown: Json = element("SpecificCharacterSet", CHARACTER_SET)
    for attribute in ATTRIBUTES:
        if attribute.level <= level and _is_returned(attribute, level, query, is_scoped=is_scoped):
            value = attribute.value(found)
            shown |= element(attribute.keyword, *(value if isinstance(value, list) else [value]))
    shown |= element("RetrieveURL", addresses.of(root, found))
    return dict(sorted(shown.items()))


def _is_returned(attribute: Attribute, level: Level, query: Query, *, is_scoped: bool) -> bool:
    if query.includes_all or attribute.tag in query.included:
        return True
    is_above = (
        is_scoped and attribute.level < level and not attribute.keyword.endswith("InstanceUID")
    )
    return not attribute.on_request and not is_above
