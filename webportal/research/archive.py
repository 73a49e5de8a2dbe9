"""The ZIP file of an export: images, three tables, and a manifest that states its limits."""

import csv
import io
import json
import secrets
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any
from uuid import UUID

from django.utils import translation

from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.inference.rounding import Thresholds, rounded, thresholds_of
from webportal.records.choices import ReadingState
from webportal.records.files import StoredFileError, read_dicom
from webportal.records.models import Radiograph, Study
from webportal.research import profile
from webportal.research.deidentify import Deidentifier, LeftOutError, as_file
from webportal.research.models import ResearchExport
from webportal.research.reasons import REASONS
from webportal.review.models import Read
from webportal.review.reads.blinding import visible_reads
from webportal.review.reads.standing import final_reads
from webportal.version import VERSION

#: The time stamp of every member: it reveals nothing.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_DIGITS = 4
_LIMITS = [
    "Images are left out where the file says that text is burnt in or, unless with_unstated is"
    " true, does not say that there is none, and where text was found in the pixels. Faint text,"
    " handwriting and single letters are not found. Look at the images before they are passed on.",
    "The images themselves are unchanged: anyone who has the originals can match them, and"
    " an unusual finding may be known to somebody.",
    "Dates and times, sex and age are removed, so that nothing says in which order the studies of"
    " a patient were made, or after how long.",
    "Codes, VOI look-up tables and overlays are removed with all other sequences and groups: some"
    " attributes that a DX image must have are missing.",
    "A result is the model's, with its errors; a read is a reader's. Comments, marks and"
    " measurements are not in the tables.",
    "This is a de-identification by the profile named above, not a statement that nobody can be"
    " identified by other means.",
]
_STUDIES = ("patient", "study", "study_instance_uid", "images", "category", "probability", "signed")
_IMAGES = (
    *("patient", "study", "image", "file", "sop_instance_uid", "burned_in_annotation"),
    *("category", "probability", "bacterial_probability", "assessed_as", "purpose"),
    "model_version",
)
_READS = (
    *("patient", "study", "reader", "kind", "revision", "decision", "pneumonia"),
    *("zones", "other_findings"),
)


class Pseudonyms:
    """Names in the order of first use: P0001, P0002, and so on."""

    def __init__(self, letter: str) -> None:
        self._letter = letter
        self._given: dict[UUID, str] = {}

    def of(self, key: UUID) -> str:
        """The name of this id."""
        return self._given.setdefault(key, f"{self._letter}{len(self._given) + 1:04d}")


@dataclass
class ArchiveContents:
    """The contents of a finished export."""

    studies: list[UUID] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    with_text: list[UUID] = field(default_factory=list)


@dataclass
class _Tables:
    studies: list[list[Any]] = field(default_factory=list)
    images: list[list[Any]] = field(default_factory=list)
    reads: list[list[Any]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)


class _Archive:
    def __init__(self, export: ResearchExport, person: User, file: IO[bytes]) -> None:
        self._export, self._person = export, person
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._images = Deidentifier(with_unstated=export.with_unstated)
        self._patients, self._studies, self._readers = map(Pseudonyms, "PSR")
        self._tables, self.contents = _Tables(), ArchiveContents()

    def add(self, study: Study) -> None:
        patient, name = self._patients.of(study.patient_id), self._studies.of(study.pk)
        rows = []
        for number, image in enumerate(Radiograph.objects.filter(study=study), start=1):
            try:
                rows.append(self._image(image, [patient, name, f"I{number:02d}"]))
            except LeftOutError as error:
                self.contents.left_out[error.code] += 1
                if error.code == "text":
                    self.contents.with_text.append(image.pk)
                left = {"patient": patient, "study": name, "image": f"I{number:02d}"}
                self._tables.left_out.append(left | {"reason": error.code})
        if not rows:
            return
        thresholds = thresholds_of([study.pk]).get(study.pk, {})
        self._tables.images += rows
        self._tables.studies.append(
            [
                *(patient, name, self._images.uid_for(study.study_instance_uid), len(rows)),
                *(study.shown_category, _figure(study.shown_probability, thresholds)),
                "yes" if study.reading_state == ReadingState.SIGNED else "no",
            ]
        )
        reads = final_reads().filter(visible_reads(self._person), study=study)
        for read in reads.order_by("kind", "pk"):
            self._tables.reads.append([patient, name, *self._read(read)])
        self.contents.studies.append(study.pk)

    def _image(self, image: Radiograph, names: list[str]) -> list[Any]:
        if image.media_type != "application/dicom":
            raise LeftOutError("upload")
        try:
            data = read_dicom(image)
        except StoredFileError as error:
            raise LeftOutError("file") from error
        ds = self._images.deidentify(data, names[0])
        path = f"images/{'/'.join(names)}.dcm"
        self._write(path, as_file(ds))
        said = "no" if "BurnedInAnnotation" in ds else "not stated"
        row: list[Any] = [*names, path, str(ds.SOPInstanceUID), said]
        result = Prediction.objects.filter(radiograph=image, is_current=True).first()
        if result is None:
            return [*row, *[""] * (len(_IMAGES) - len(row))]
        thresholds = result.model_version.thresholds
        has_figure = result.shown_probability is not None
        pattern = result.bacterial_probability if has_figure else None
        return [
            *(*row, result.shown_category),
            *(_figure(result.shown_probability, thresholds), _figure(pattern, {})),
            # An adult's probability is of something else, and on another scale.
            result.assessed_as if has_figure else "",
            *(result.purpose, result.model_version.version),
        ]

    def _read(self, read: Read) -> list[Any]:
        reader = self._readers.of(read.reader_id)
        findings = [" ".join(read.zones), " ".join(read.other_findings)]
        return [reader, read.kind, read.revision, read.decision, read.pneumonia, *findings]

    def finish(self) -> None:
        tables, contents = self._tables, self.contents
        contents.counts.update(
            patients=len({row[0] for row in tables.studies}),
            studies=len(tables.studies),
            images=len(tables.images),
            reads=len(tables.reads),
        )
        self._write("studies.csv", _csv(_STUDIES, tables.studies))
        self._write("images.csv", _csv(_IMAGES, tables.images))
        self._write("reads.csv", _csv(_READS, tables.reads))
        with translation.override("en"):
            manifest = json.dumps(self._manifest(), indent=2, ensure_ascii=False)
        self._write("manifest.json", manifest.encode())
        self._zip.close()

    def _manifest(self) -> dict[str, Any]:
        tables, export = self._tables, self._export
        return {
            "export": str(export.pk),
            "purpose": export.purpose,
            "made_by": f"Chestline {VERSION}",
            "profile": f"PS3.15 {profile.METHOD[2]} ({profile.METHOD[1]} {profile.METHOD[0]})",
            "options": [],
            "procedure": f"{profile.VERSION}, applied by grand-challenge-dicom-de-identifier",
            "with_unstated": export.with_unstated,
            "signed_only": export.signed_only,
            "result": export.category,
            "model_versions": sorted({row[-1] for row in tables.images if row[-1]}),
            "counts": dict(self.contents.counts),
            "limits": _LIMITS,
            "left_out": tables.left_out,
            "reasons": {code: str(REASONS[code]) for code in sorted(self.contents.left_out)},
        }

    def _write(self, name: str, data: bytes) -> None:
        member = zipfile.ZipInfo(name, _NO_TIME)
        member.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(member, data)


def write(
    export: ResearchExport,
    person: User,
    studies: Iterable[Study],
    file: IO[bytes],
    tell: Callable[[int], None],
) -> ArchiveContents:
    """Write the ZIP file of the studies; `tell` is called with the number of each that is done."""
    shuffled = list(studies)
    # Numbers in order of arrival would reveal that order.
    secrets.SystemRandom().shuffle(shuffled)
    archive = _Archive(export, person, file)
    for number, study in enumerate(shuffled, start=1):
        archive.add(study)
        tell(number)
    archive.finish()
    return archive.contents


def _figure(value: float | None, thresholds: Thresholds) -> str:
    return "" if value is None else f"{rounded(value, thresholds, _DIGITS):.{_DIGITS}f}"


def _csv(header: Sequence[str], rows: Iterable[list[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([header, *sorted(rows, key=str)])
    return buffer.getvalue().encode()
