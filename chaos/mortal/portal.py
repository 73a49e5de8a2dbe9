"""`python -m chaos.mortal.portal`: the portal."""

import tempfile
import threading
from collections.abc import Callable
from typing import Any

from chaos.points import die_after, die_before


def put_points() -> None:
    """Insert a point at each stage of an upload."""
    from webportal.inference import hint_sender
    from webportal.intake.pipeline import group, store
    from webportal.storage import DurableFileSystemStorage

    die_after(
        tempfile, "mkstemp", "half-written", lambda prefix="", **_: prefix.startswith(".incoming-")
    )
    die_after(DurableFileSystemStorage, "_save", "file-stored")
    die_after(store, "append_all", "before-commit")
    die_before(hint_sender, "send_hint", "committed")
    die_after(hint_sender, "send_hint", "hinted")
    in_group = _whether_storing(group)
    die_after(store, "put_files", "group-half-stored", in_group)
    die_after(group, "append_all", "group-before-commit")
    die_before(hint_sender, "send_hint", "group-committed", in_group)


def _whether_storing(group: Any) -> Callable[..., bool]:
    """Return a function that says whether its thread is storing a group of files."""
    thread = threading.local()
    store_plain = group.store_plain

    def noted(files: Any) -> Any:
        thread.is_storing = True
        try:
            return store_plain(files)
        finally:
            thread.is_storing = False

    group.store_plain = noted
    return lambda **_: getattr(thread, "is_storing", False)


# The sandbox's processes import this module, too, but are not the portal.
if __name__ == "__main__":
    import webportal.wsgi  # noqa: F401 - sets Django up
    from webportal.server import __main__ as server

    put_points()
    server.main()
