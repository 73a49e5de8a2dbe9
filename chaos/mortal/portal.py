"""`python -m chaos.mortal.portal`: the portal."""

import tempfile

from chaos.points import die_after, die_before


def put_points() -> None:
    """Insert a point at each stage of an upload."""
    from webportal.inference import hints
    from webportal.intake.pipeline import store
    from webportal.storage import DurableFileSystemStorage

    die_after(
        tempfile, "mkstemp", "half-written", lambda prefix="", **_: prefix.startswith(".incoming-")
    )
    die_after(DurableFileSystemStorage, "_save", "file-stored")
    die_after(store, "append_all", "before-commit")
    die_before(hints, "send_hint", "committed")
    die_after(hints, "send_hint", "hinted")


# The sandbox's processes import this module, too, but are not the portal.
if __name__ == "__main__":
    import webportal.wsgi  # noqa: F401 - sets Django up
    from webportal.server import __main__ as server

    put_points()
    server.main()
