"""PDF output in every script for which a font is bundled.

Import this module lazily: the PDF libraries and font tables take a fifth of a portal process's
memory.
"""

import unicodedata
from pathlib import Path
from typing import Any

from fpdf import FPDF
from fpdf.fonts import TTFFont

_FONTS = Path(__file__).parent / "fonts"
_FALLBACKS = ("latin-ext", "greek", "cyrillic", "vietnamese", "devanagari")
#: Placeholder for a character that no bundled font has; nothing must vanish from a name.
UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class Document(FPDF):
    """An A4 document in Noto Sans."""

    def __init__(self, **options: Any) -> None:
        super().__init__(format="A4", **options)
        self.add_font("noto", fname=_FONTS / "noto-sans-latin-400-normal.woff")
        self.add_font("noto", style="B", fname=_FONTS / "noto-sans-latin-700-normal.woff")
        for script in _FALLBACKS:
            self.add_font(script, fname=_FONTS / f"noto-sans-{script}-400-normal.woff")
        self.set_fallback_fonts(list(_FALLBACKS), exact_match=False)
        self.set_text_shaping(True)  # Devanagari needs shaping
        fonts = [font for font in self.fonts.values() if isinstance(font, TTFFont)]
        self.known = {code for font in fonts for code in font.cmap}
        self.set_creator("Chestline")

    def in_known_letters(self, text: str) -> str:
        """Replace each character that no bundled font has with a placeholder."""
        return "".join(letter if self._is_known(letter) else UNKNOWN for letter in text)

    def _is_known(self, letter: str) -> bool:
        # Characters without a glyph only control joining.
        return ord(letter) in self.known or unicodedata.category(letter) in ("Cc", "Cf", "Mn")
