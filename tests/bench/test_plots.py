"""Plots of saved results, and the metadata saved with them."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench import plots
from bench.results import Run
from bench.uploads import Measured
from webportal.version import VERSION

FACTS = {
    "command": "python -m bench.{} --short",
    "began": "2026-12-01T02:03:04+00:00",
    "seconds": 60,
    "release": "1.2.3",
    "commit": "abc1234+",
    "machine": "2 cores (a processor), 23 GB of memory",
    "load_average": {"before": 0.25, "after": 3.5},
}


def speed(per_second: float) -> dict[str, Any]:
    return {"per_second": per_second, "blocks": [0.9 * per_second, 1.2 * per_second]}


def percentiles(of: Any) -> dict[str, Any]:
    return {name: of(number) for number, name in enumerate(("p50", "p95", "p99"), 1)}


def comparison(kind: str, figure: str, measured: float) -> dict[str, Any]:
    times = {"measured": measured, "own": 1.1 * measured, "others": 0.8 * measured}
    return {"workers": 1, "run": "80%", "kind": kind, "figure": figure} | times


SPEEDS = {
    "speeds": {"bare loop": speed(44), "upload": speed(30), "drain": speed(43)},
    "targets": {"upload": 37.4, "drain": 41.8},
}
FIGURES: dict[str, dict[str, Any]] = {
    "bench": {
        "figures": [
            {
                "name": "throughput",
                "measured": 65,
                "baseline": 59,
                "unit": "images/s",
                "target": "ratio of at least 0.85",
                "limit": 50,
                "each_measured": [60, 70],
                "each_baseline": [],
            }
        ],
        "worklist": {
            "target": 100,
            "studies": [100_000, 100],
            "kinds": {"tab unread": [[61, 98], [56, 81]], "search all": [[69, 113], [30, 45]]},
        },
    },
    "uploads": SPEEDS,
    "peers": {"speeds": SPEEDS["speeds"], "targets": {}},
    "receiving": SPEEDS,
    "latency": {
        "images_per_second": 97.5,
        "stat": {"seconds": {"idle": [0.1, 0.12], "behind 10,000": [0.3, 0.5]}, "limit": 0.6},
        "loads": [
            {
                "load": load,
                "measured": percentiles(lambda n, load=load: n * load),
                "predicted": percentiles(lambda n, load=load: [0.9 * n * load, n * load]),
            }
            for load in (0.2, 0.5, 0.8, 0.95)
        ],
    },
    "growth": {
        "target": 1.5,
        "databases": [
            {
                "rows": rows,
                "steps": {step: [0.1, 0.12, 0.11] for step in ("claim", "write back", "summaries")},
            }
            for rows in (1000, 100_000, 1_000_000)
        ],
    },
    "capacity": {
        "target": 0.15,
        "comparisons": [comparison("wait", "p50", 0.1), comparison("to result", "p95", 0.5)],
    },
}


def keep(folder: Path, figures: Mapping[str, Any]) -> None:
    for name, values in figures.items():
        facts = FACTS | {"command": str(FACTS["command"]).format(name), "figures": values}
        (folder / f"{name}.json").write_text(json.dumps(facts))


def words(file: Path) -> str:
    """The text of an SVG file."""
    return " ".join(re.sub("<[^>]*>", " ", file.read_text()).split())


@pytest.fixture
def text_in_svg() -> Iterator[None]:
    """Write text as text, so that it can be read."""
    matplotlib = pytest.importorskip("matplotlib", reason="needs the extra evaluation (matplotlib)")
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        yield


@pytest.mark.usefixtures("text_in_svg")
def test_every_plot_says_what_was_measured_where_and_when(tmp_path: Path) -> None:
    keep(tmp_path, FIGURES)
    files = {file.stem: words(file) for file in plots.draw(tmp_path)}
    assert files.keys() == plots.PLOTS.keys()
    for name, drawn in files.items():
        source, *_ = plots.PLOTS[name]
        for fact in (
            *(plots.HEADINGS[name], f"python -m bench.{source} --short", "1.2.3 (abc1234+)"),
            *("2026-12-01 02:03 UTC", "2 cores (a processor)", "load average 0.2"),
        ):
            assert fact in drawn, (name, fact)


@pytest.mark.usefixtures("text_in_svg")
def test_plots_have_the_figures_and_their_targets(tmp_path: Path) -> None:
    keep(tmp_path, FIGURES)
    files = {file.stem: words(file) for file in plots.draw(tmp_path)}
    for shown in ("bare loop", "44.0", "30.0", "target"):
        assert shown in files["uploads"]
    assert "target" not in files["peers"]
    for shown in ("p99, measured", "p50, predicted", "97.5 images/s"):
        assert shown in files["loads"]
    for shown in ("behind 10,000", "median 400", "limit"):
        assert shown in files["stat"]
    for shown in ("1,000,000", "write back, limit"):
        assert shown in files["growth"]
    for shown in ("within 15%", "1 worker(s), 80%, p95"):
        assert shown in files["capacity"]
    for shown in ("search all", "100,000 studies", "target"):
        assert shown in files["worklist"]


@pytest.mark.usefixtures("text_in_svg")
def test_only_what_was_measured_is_drawn(tmp_path: Path) -> None:
    assert list(plots.draw(tmp_path)) == []
    keep(tmp_path, {"growth": FIGURES["growth"]})
    assert list(plots.draw(tmp_path)) == [tmp_path / "growth.svg"]


def test_the_error_names_the_extra_for_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path, FIGURES)
    for name in [each for each in sys.modules if each.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "argv", ["plots", "--folder", str(tmp_path)])
    assert plots.main() == 0
    assert "make install EXTRAS=evaluation" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.svg"))


def test_a_run_keeps_its_command_release_and_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["uploads.py", "--files", "32"])
    Run("bench.uploads").keep({"speeds": {}}, tmp_path)
    kept = json.loads((tmp_path / "uploads.json").read_text())
    assert kept["command"] == "python -m bench.uploads --files 32"
    assert kept["release"] == VERSION
    assert kept["figures"] == {"speeds": {}}
    assert kept.keys() == {*FACTS, "figures"}
    assert min(kept["load_average"].values()) >= 0


def test_the_speed_of_blocks_of_files() -> None:
    cpu = iter([Counter(loop=10), Counter(loop=30), Counter(loop=30), Counter(loop=70)])
    measured = Measured(lambda: next(cpu))
    for _ in range(2):
        with measured:
            pass
    assert measured.times == pytest.approx([0, 0], abs=0.5)
    measured.times[:] = [2, 2]
    speed = measured.speed([8, 2])
    assert speed == {"files": 10, "per_second": 2.5, "blocks": [4, 1], "cpu_ms": {"loop": 6}}
