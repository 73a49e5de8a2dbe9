"""Normalising words of DICOM headers."""

import re
import unicodedata
from collections.abc import Collection, Mapping


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a table that is read more easily than a list."""
    return frozenset(text.split())


def tokens(text: str, phrases: Mapping[str, str] | None = None) -> list[str]:
    """Return the words of a text in capitals, without accents; what is no letter or digit parts.

    A number stands alone, also where it is written behind a word (`LAT2`).

    `phrases` are expressions of several words (regular expressions) and the word that stands for
    each.
    """
    decomposed = unicodedata.normalize("NFKD", text.upper())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    joined = " ".join(re.findall(r"[^\W\d_]+|\d+", plain))
    for phrase, word in (phrases or {}).items():
        joined = re.sub(rf"\b{phrase}\b", word, joined)
    return joined.split()


def parted(word: str, known: Collection[str]) -> list[str]:
    """Return the known words that are written together as one (`PAERECT`), or the word alone."""
    for length in range(len(word) - 1, 1, -1):
        head, rest = word[:length], word[length:]
        if head not in known:
            continue
        if rest in known:
            return [head, rest]
        others = parted(rest, known)
        if len(others) > 1:
            return [head, *others]
    return [word]
