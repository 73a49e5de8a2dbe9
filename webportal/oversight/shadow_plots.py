"""The plots of the pages about shadow trials."""

from django.utils.translation import gettext as _

from webportal.charts import Axis, ChartSeries, Plot, count_text, lines
from webportal.oversight.shadow.comparison import BINS, TrialComparison


def score_plot(comparison: TrialComparison) -> Plot:
    """How the scores of both versions are distributed."""
    active, shadow = comparison.histograms
    trial = comparison.shadow

    def end(number: int) -> str:
        return f"{100 * (number + 1) // BINS}"

    def span(number: int) -> str:
        return f"{100 * number // BINS}–{100 * (number + 1) // BINS} %"

    return lines(
        _("Images by score in per cent"),
        Axis(range(BINS), end, span, label_at=1, heading=_("Score")),
        [
            ChartSeries(trial.beside.version, "kind-0", active),
            ChartSeries(trial.model_version.version, "kind-2", shadow, is_dashed=True),
        ],
        count_text,
    )
