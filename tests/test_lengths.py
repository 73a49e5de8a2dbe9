"""No module is longer than 400 lines: the check itself."""

from tools.lengths import are_short, too_long


def test_every_module_is_short() -> None:
    assert are_short()


def test_a_module_that_is_too_long_is_found() -> None:
    sources = {"webportal/long.py": "x = 1\n" * 401, "webportal/short.py": "x = 1\n" * 400}
    assert too_long(sources) == {"webportal/long.py": 401}
