"""Model cards: Markdown from a package, rendered within a page."""

from collections.abc import Sequence
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

# No "html": markup in a card is shown as text, because packages are external input.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def _render_image_as_text(
    renderer: RendererHTML, tokens: Sequence[Token], number: int, options: OptionsDict, env: Any
) -> str:
    """Plots stay with the package; show their text alternative."""
    return f"<em>{escape(tokens[number].content)}</em>"


_MARKDOWN.add_render_rule("image", _render_image_as_text)


def card_html(card: str) -> SafeString:
    """Render a card as HTML below a page's own heading, so one level down."""
    tokens = _MARKDOWN.parse(card)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 1)}"
        elif token.type == "table_open":
            token.attrSet("class", "table table-sm")
    # The parser escapes HTML.
    return mark_safe(str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})))  # noqa: S308
