"""Normalising words of DICOM headers."""

import re
import unicodedata
from collections.abc import Collection, Mapping


def word_set(text: str) -> frozenset[str]:
    """The words of a text, for readable word tables."""
    return frozenset(text.split())


def tokens(text: str, phrases: Mapping[str, str] | None = None) -> list[str]:
    """Return the words of a text in upper case, without accents, split at other characters.

    A number is a word of its own, even directly after a word (`LAT2`).

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
    """Split a compound of known words (`PAERECT`), or return the word alone."""
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
