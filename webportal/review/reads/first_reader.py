"""What the first of two readers said beside what the second one did.

Two readers agree if they do on pneumonia and on what is urgent; the second read then counts. An
effusion, or a nodule in the impression, that only the first has seen is signed all the same, and no
arbiter has decided against it.
"""

from django.utils.translation import gettext as _

from webportal.labels import label_of
from webportal.review.models import OtherFinding, Read, ReadKind
from webportal.review.reads.second_reading import signed_reads


def said_by_first_reader(read: Read) -> list[str]:
    """What the read that counts leaves out of the first one, as sentences; [] where it is alone."""
    reads = signed_reads(read.study) if read.kind == ReadKind.SECOND else []
    first = next((each for each in reads if each.kind == ReadKind.FIRST), None)
    if first is None:
        return []
    alone = [each for each in first.other_findings if each not in read.other_findings]
    said = []
    if alone:
        labels = ", ".join(label_of(OtherFinding, each) for each in alone)
        words = _("{reader}, who read it first, also reported: {findings}.")
        said.append(words.format(reader=first.reader, findings=labels))
    text = first.comment.strip()
    if text and text != read.comment.strip():
        words = _("Impression of {reader}, who read it first: {text}")
        said.append(words.format(reader=first.reader, text=text))
    return said
