"""The viewer's tools and shortcuts, shared by the toolbar, the shortcut list and the script.

The shortcuts are OHIF's. Plain digits belong to the reading form, so the window presets, which OHIF
has on digits, need Shift.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Group(StrEnum):
    """The group of an action."""

    TOOL = "tool"
    VIEW = "view"
    WINDOW = "window"
    MEASUREMENT = "measurement"
    COMPARISON = "comparison"
    IMAGE = "image"


GROUP_LABELS = {
    Group.TOOL: _("What dragging does"),
    Group.VIEW: _("View"),
    Group.WINDOW: _("Brightness and contrast"),
    Group.MEASUREMENT: _("Measurements"),
    Group.COMPARISON: _("Marks, overlay, heat map and prior studies"),
    Group.IMAGE: _("Images and help"),
}


@dataclass(frozen=True)
class ViewerAction:
    """A viewer action with its shortcut.

    `key` is the `key` of a keyboard event, for digits `Shift+` and the digit; `icon` the name of a
    symbol in viewer_icons.html, '' if it has no button.
    """

    name: str
    label: str | Promise
    key: str
    group: Group
    icon: str = ""

    @property
    def is_character(self) -> bool:
        """Whether the shortcut is a single character: those can be switched off (WCAG 2.1.4)."""
        return len(self.key) == 1 or self.key.startswith("Shift+")

    @property
    def key_label(self) -> str | Promise:
        """The key as printed on a keyboard."""
        return KEY_LABELS.get(self.key, self.key.upper() if len(self.key) == 1 else self.key)


KEY_LABELS: dict[str, str | Promise] = {
    " ": _("Space"),
    "ArrowLeft": "←",
    "ArrowRight": "→",
    "PageUp": "Page ↑",
    "PageDown": "Page ↓",
    "Backspace": "⌫",
    "Escape": "Esc",
}

ACTIONS = [
    ViewerAction("tool-window", _("Brightness and contrast"), "w", Group.TOOL, "window"),
    ViewerAction("tool-zoom", _("Zoom"), "z", Group.TOOL, "zoom"),
    ViewerAction("tool-pan", _("Pan"), "p", Group.TOOL, "pan"),
    ViewerAction("tool-magnify", _("Magnifying glass"), "m", Group.TOOL, "magnify"),
    ViewerAction("tool-length", _("Length"), "d", Group.TOOL, "length"),
    ViewerAction("tool-angle", _("Angle"), "a", Group.TOOL, "angle"),
    ViewerAction(
        "tool-rectangle", _("Rectangle, mean and deviation"), "b", Group.TOOL, "rectangle"
    ),
    ViewerAction("tool-ellipse", _("Ellipse, mean and deviation"), "e", Group.TOOL, "ellipse"),
    ViewerAction("tool-mark", _("Mark a finding: click or drag"), "f", Group.TOOL, "mark"),
    ViewerAction("invert", _("Invert"), "i", Group.VIEW, "invert"),
    ViewerAction("flip-horizontal", _("Flip left and right"), "h", Group.VIEW, "flip-horizontal"),
    ViewerAction("flip-vertical", _("Flip top and bottom"), "v", Group.VIEW, "flip-vertical"),
    ViewerAction("rotate-left", _("Rotate left"), "l", Group.VIEW, "rotate-left"),
    ViewerAction("rotate-right", _("Rotate right"), "r", Group.VIEW, "rotate-right"),
    ViewerAction("fit", _("Fit"), "=", Group.VIEW, "fit"),
    ViewerAction("reset", _("Reset the view"), " ", Group.VIEW, "reset"),
    ViewerAction("zoom-in", _("Zoom in"), "+", Group.VIEW, "zoom-in"),
    ViewerAction("zoom-out", _("Zoom out"), "-", Group.VIEW, "zoom-out"),
    ViewerAction("texts", _("Text around the image on or off"), "j", Group.VIEW, "texts"),
    ViewerAction("window-1", _("As the file says"), "Shift+1", Group.WINDOW),
    ViewerAction("window-2", _("Lungs"), "Shift+2", Group.WINDOW),
    ViewerAction("window-3", _("Mediastinum and bone"), "Shift+3", Group.WINDOW),
    ViewerAction("window-4", _("More contrast"), "Shift+4", Group.WINDOW),
    ViewerAction("window-5", _("Full range"), "Shift+5", Group.WINDOW),
    ViewerAction("delete-last", _("Delete the last measurement"), "Backspace", Group.MEASUREMENT),
    ViewerAction("delete-all", _("Delete all measurements"), "x", Group.MEASUREMENT, "delete"),
    ViewerAction("cancel", _("Stop measuring"), "Escape", Group.MEASUREMENT),
    ViewerAction("marks", _("Marked findings on or off"), "s", Group.COMPARISON, "marks"),
    ViewerAction("overlay", _("Overlay of the file on or off"), "y", Group.COMPARISON, "overlay"),
    ViewerAction(
        "shutter", _("Display shutter of the file on or off"), ",", Group.COMPARISON, "shutter"
    ),
    ViewerAction("heatmap", _("Heat map on or off"), "o", Group.COMPARISON),
    ViewerAction(
        "two-up", _("Another image of the study beside this one"), ".", Group.COMPARISON, "two-up"
    ),
    ViewerAction("compare", _("Prior study beside this one"), "c", Group.COMPARISON, "compare"),
    ViewerAction("link", _("Zoom, pan and window of both together"), "k", Group.COMPARISON, "link"),
    ViewerAction("next-pane", _("Go to the image on the right"), "ArrowRight", Group.COMPARISON),
    ViewerAction("previous-pane", _("Go to the image on the left"), "ArrowLeft", Group.COMPARISON),
    ViewerAction("next-image", _("Next image of the study"), "PageDown", Group.IMAGE),
    ViewerAction("previous-image", _("Previous image of the study"), "PageUp", Group.IMAGE),
    ViewerAction("help", _("All keys"), "?", Group.IMAGE, "help"),
]


def by_name(name: str) -> ViewerAction:
    """The action of that name."""
    return next(action for action in ACTIONS if action.name == name)


def in_group(group: Group) -> list[ViewerAction]:
    """The actions of a group."""
    return [action for action in ACTIONS if action.group == group]


def key_list(has_shortcuts: bool) -> list[tuple[str | Promise, list[ViewerAction]]]:
    """The actions by group heading, for the shortcut list."""
    groups = [
        (label, [each for each in in_group(group) if has_shortcuts or not each.is_character])
        for group, label in GROUP_LABELS.items()
    ]
    return [(label, actions) for label, actions in groups if actions]


def key_bindings() -> dict[str, str]:
    """Shortcuts by action, for the script."""
    return {action.key: action.name for action in ACTIONS}
