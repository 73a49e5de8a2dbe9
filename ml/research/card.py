"""The model card, written from a package's measured figures.

Form: Mitchell et al., *Model Cards for Model Reporting* (FAT* 2019).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from ml.research.gate.report import gate_section
from ml.research.heatmap import rim_area
from ml.serving.backbones import IMAGENET
from ml.serving.package import PLOTS, plot_file

TEMPLATE = Path(__file__).with_name("card_template.md")

FOLDS = {
    "random": ": patients drawn at random.",
    "pessimistic": ": the normals with the lowest patient numbers and pneumonia patients drawn to"
    " match, as in the published test split, which was not used for anything.",
}
SHARES = {
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "accuracy_refused_as_wrong": "accuracy, refused images counted as wrong",
    "refused": "refused by the gate",
}
SCORES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "ece": "calibration error",
}


def write_card(facts: Mapping[str, Any]) -> str:
    """Return the card of a package as Markdown; ``facts`` is its package.json."""
    training = facts["training"]
    population = facts["population"]
    places = facts["heatmap_places"]
    calibration, stages = facts["calibration"], facts.get("adult_stages")
    return Template(TEMPLATE.read_text()).substitute(
        name=facts["name"],
        version=facts["version"],
        backbone=facts["backbone"].title(),
        size=facts["input"]["size"],
        places=places,
        youngest=population["youngest_years"],
        oldest=population["oldest_years"],
        images=f"{training['images']:,}",
        patients=f"{training['patients']:,}",
        pneumonia=f"{training['pneumonia']:,}",
        folds="\n".join(f"- *{name}*{FOLDS.get(name, '')}" for name in facts["figures"]),
        evaluated=f"{sum(fold['n'] for fold in facts['figures'].values()):,}",
        intervals=facts["figures_method"]["intervals"],
        figures=_folds_table(facts["figures"], {**SCORES, **SHARES}),
        points_by_fold=_points_by_fold(facts["figures"]),
        thresholds=_thresholds_table(facts["thresholds"]),
        independent=_independent(facts.get("independent", [])),
        stages=_stages(facts),
        adults=_adults(facts),
        adult_scale=f", in adults' images {stages['heatmap_full_scale']:.1f}" if stages else "",
        adult_range=f" ({_range(stages['calibration'])} in adults' images)" if stages else "",
        refined=_refined(training),
        pointing=_pointing(stages or facts),
        plots=_plots(facts.get("plots", {})),
        subtypes=_subtypes(facts),
        prevalence=f"{calibration['prevalence']:.0%}",
        range=_range(calibration),
        full_scale=f"{facts['heatmap_full_scale']:.1f}",
        rim=f"{facts['heatmap_rim_share']:.0%}",
        rim_area=f"{rim_area(places):.0%}",
        occlusion=_occlusion(facts["occlusion"]),
        consistency=_consistency(facts["sameness"]),
        gate=gate_section(facts["gate"]),
        command="\n".join(made["command"] for made in (training, stages) if made),
        options="; for the adults' stages: ".join(_options(m) for m in (training, stages) if m),
    )


def _options(training: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in training["options"].items())


def _range(calibration: Mapping[str, Any]) -> str:
    return f"{calibration['margin']:.2g} and {1 - calibration['margin']:.4g}"


def _folds_table(figures: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Return a table with a column for each fold and a line for each figure, with its interval."""
    counts = [
        ("images", *(f"{fold['n']:,}" for fold in figures.values())),
        ("with pneumonia", *(f"{fold['n_pneumonia']:,}" for fold in figures.values())),
        ("patients", *(f"{fold['n_patients']:,}" for fold in figures.values())),
    ]
    lines = [
        (label, *(_figure(fold, key) for fold in figures.values())) for key, label in labels.items()
    ]
    return _table(["", *figures], [*counts, *lines])


def _points_by_fold(figures: Mapping[str, Any], of: str = "fold") -> str:
    lines = [
        (
            name,
            point,
            f"{at['threshold']:.3f}",
            _figure(at, "sensitivity"),
            _figure(at, "specificity"),
        )
        for name, fold in figures.items()
        for point, at in fold["operating_points"].items()
    ]
    heads = [of, "operating point", "threshold", "sensitivity", "specificity"]
    return _table(heads, lines)


def _thresholds_table(thresholds: Mapping[str, Any]) -> str:
    lines = [
        (name, f"{point['threshold']:.3f}", point["criterion"])
        for name, point in thresholds.items()
    ]
    return _table(["operating point", "threshold", "chosen for"], lines)


def _independent(sets: Sequence[Mapping[str, Any]]) -> str:
    """Return what was measured on independent images, at the version's own thresholds."""
    if not sets:
        return (
            "None: every image took part in training this version or in choosing its thresholds, so"
            " how often its operating points are right is not known. Measure it on images of your"
            " own (`python -m ml independent`)."
        )
    figures = {each["source"]: each for each in sets}
    return (
        f"{_folds_table(figures, {**SCORES, **SHARES})}\n\nAt every operating point:\n\n"
        f"{_points_by_fold(figures, 'images')}"
    )


def _stages(facts: Mapping[str, Any]) -> str:
    """Return what the card says of upper stages for adults, a line of its list."""
    if not facts.get("adult_stages"):
        return ""
    return (
        "\n- The network's upper stages exist twice, on one trunk: an image that looks like an"
        " adult's is assessed by those for adults, with their own calibration. The command line"
        " says which assessed it (`assessed_as`). The image decides, not the age that its file"
        " states. Of adults no pattern, bacterial or viral, is given. The operating points are the"
        " same for both. Unless it says otherwise, this card is about the stages for children."
    )


def _adults(facts: Mapping[str, Any]) -> str:
    """Return the figures for adults, for whom the package is not intended."""
    figures = facts.get("adults")
    if not figures:
        return "Not measured: this version has seen no adult."
    stages = facts.get("adult_stages")
    # The parts of the patients that a training each left out.
    left_out = (stages or facts["training"])["options"].get("left_out", ())
    # The gate was bypassed.
    shares = {name: SHARES[name] for name in ("accuracy", "sensitivity", "specificity")}
    assessed_by = (
        "The network has not seen these patients, a third of all."
        if len(left_out) == 1
        else "Each image was assessed by the network that was trained without its patient; the"
        " network that ships is the mean of these networks."
    )
    calibrated = (
        "Calibration and thresholds are this version's. Those with an opacity or a normal chest"
        " took part in the calibration."
    )
    if stages:
        calibrated = (
            "All of them by the upper stages for adults, with their calibration, in which all took"
            " part, and the thresholds of this version."
        )
    text = (
        "Adults and adolescents of the NIH Clinical Center (ChestX-ray14), as radiologists read"
        f" them (RSNA Pneumonia Detection Challenge and others). {assessed_by} {calibrated}"
        " *Normal* means a normal chest in the first two columns, and no opacity in the others,"
        " where most are ill in another way. Within a view, because the view alone tells much of"
        " the class.\n\n"
        f"{_folds_table(figures, {**SCORES, **shares})}"
    )
    if stages:
        text += f"\n\nAt every operating point:\n\n{_points_by_fold(figures, 'images')}"
        text += f"\n\n{_choice(stages)}"
    return text


def _choice(stages: Mapping[str, Any]) -> str:
    """Return how often an image is taken for an adult's."""
    lines = [
        (group, found["n"], found["n_patients"], _figure(found, "as_adults"))
        for group, found in stages["chooser"].items()
    ]
    heads = ["images", "n", "patients", "taken for an adult's"]
    return (
        "Which stages assess an image is decided from the features of the trunk. The groups below"
        " took no part in fitting what decides. Children and adults come from different hospitals"
        " here, so that elsewhere it may be wrong more often; a result then comes from stages that"
        f" were trained on other ages.\n\n{_table(heads, lines)}{_children_as_adults(stages)}"
    )


def _children_as_adults(stages: Mapping[str, Any]) -> str:
    """Return how good the upper stages for adults are on children who are sent to them."""
    if not stages.get("children"):
        return ""
    shares = {name: SHARES[name] for name in ("accuracy", "sensitivity", "specificity")}
    table = _folds_table(stages["children"], {**SCORES, **shares})
    return (
        "\n\nA child whose image is taken for an adult's is assessed by the stages for adults. Of"
        f" the held-out children, were all of them taken for adults:\n\n{table}"
    )


def _refined(training: Mapping[str, Any]) -> str:
    adults = training.get("adults")
    if not adults:
        return ""
    teacher = adults.get("teacher")
    start = adults.get("start", IMAGENET)
    if not teacher:
        how = f"The network of {start} went on from there, in its last two stages alone."
    elif start == IMAGENET:
        how = "The network was trained on both, starting from ImageNet weights"
    else:
        how = f"The network of {start} went on from there, in all but its first stages"
    if teacher:
        how += f", with {teacher} as a teacher of where to look."
    if share := training["options"].get("start_share"):
        how += f" {share:.0%} of the weights are those of {start}."
    count = " and count for less" if training["options"].get("unread_trust", 0) < 1 else ""
    return (
        f"\n\nTo these came {adults['images']:,} radiographs of {adults['patients']:,} adults and"
        " adolescents out of ChestX-ray14 (Wang et al., CVPR 2017; NIH Clinical Center, no"
        f" restriction on use), {adults['read_by_radiologists']:,} of them read by radiologists as"
        " *opacity*, *normal* or *abnormal without opacity* (Shih et al., Radiology: Artificial"
        " Intelligence 2019, and others). Of the rest the findings are known that software took"
        f" from the reports, which are noisy{count}. {how}"
    )


def _subtypes(facts: Mapping[str, Any]) -> str:
    """Return the figures for bacterial and viral pattern."""
    figures = facts["figures"]
    found = _table(
        ["fold", "bacterial: images", "found", "viral: images", "found"],
        [
            (
                name,
                *(
                    cell
                    for kind in ("bacteria", "virus")
                    for cell in (
                        fold["subtypes"][kind]["n"],
                        _figure(fold["subtypes"][kind], "sensitivity"),
                    )
                ),
            )
            for name, fold in figures.items()
        ],
    )
    text = f"Pneumonia found, at the operating point *decision*, by its kind:\n\n{found}\n\n"
    if not facts["bacterial_calibration"]:
        return text + "This version does not tell bacterial from viral pattern."
    by_fold = {name: fold["bacterial_against_viral"] for name, fold in figures.items()}
    labels = {
        "auroc": "AUROC",
        "accuracy": "accuracy at a probability of 0.5",
        "accuracy_of_the_commoner": "accuracy of always naming the commoner kind",
        "brier": "Brier score",
        "ece": "calibration error",
    }
    told_apart = _table(
        ["", *by_fold],
        [
            ("images", *(fold["n"] for fold in by_fold.values())),
            *(
                (label, *(_figure(fold, key) for fold in by_fold.values()))
                for key, label in labels.items()
            ),
        ],
    )
    prevalence = facts["bacterial_calibration"]["prevalence"]
    return text + (
        "Bacterial told from viral pattern, of images with pneumonia that were assessed:\n\n"
        f"{told_apart}\n\n"
        "**Do not base treatment on it.** The labels are the publishers', of one hospital, and the"
        " two patterns overlap on a radiograph: readers disagree on them too. The output is a hint,"
        f" means nothing where there is no pneumonia, and assumes that {prevalence:.0%} of the"
        " pneumonias are bacterial, as in the training images."
    )


def _occlusion(found: Mapping[str, Any]) -> str:
    ratio = f", {found['ratio']:.1f} times as much" if found["ratio"] else ""
    return (
        f"Checked on {found['n']} held-out images with pneumonia: covering the hottest square, of"
        f" {found['area']:.0%} of the image, with its mean grey lowers the log-odds more than"
        f" covering squares of the same size at random places ({found['random_boxes']} an image)"
        f" does on average in {found['hottest_drops_more']:.0%} of the images. The median drop is"
        f" {found['median_drop_hottest']:.2f} against {found['median_drop_random']:.2f}{ratio};"
        f" the median difference within an image is {found['median_difference']:.2f}."
    )


def _plots(plots: Mapping[str, str]) -> str:
    """Return the plots with what is seen in each, as images."""
    if not plots:
        return "None: this version was packaged without them."
    shown = [f"![{plots[name]}]({plot_file(name)})" for name in PLOTS if name in plots]
    if "learning" not in plots:
        shown.append(
            "Loss and accuracy by epoch are not shown: the training of this version kept no record"
            " of them."
        )
    return "\n\n".join(shown)


def _pointing(facts: Mapping[str, Any]) -> str:
    """Return the comparison of the heat map with drawn boxes."""
    figures = facts.get("pointing")
    if not figures:
        return "It was not compared with boxes that radiologists drew."
    lines = [
        (
            finding,
            found["n"],
            _figure(found, "pointed"),
            _figure(found, "energy"),
            _figure(found, "area"),
        )
        for finding, found in figures.items()
    ]
    seen = "that the network has not seen"
    if facts.get("pointing_seen"):
        seen = "that the network was trained with, without the boxes"
    heads = ["finding", "boxes", "hottest point in the box", "heat in the box", "area of the box"]
    return (
        f"Compared with boxes that radiologists drew in adults' radiographs {seen} (ChestX-ray14)."
        " The network was trained for none of these findings by itself; heat at random would have"
        f" the area's share in the box.\n\n{_table(heads, lines)}"
    )


def _consistency(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "Not measured for this version."
    lines = [
        (kind, f"{against['same']:.1%}", _score(against["largest_difference"]), against["refused"])
        for group in ("against_original", "extra")
        for kind, against in found[group].items()
    ]
    heads = ["against the full-size original", "same", "largest difference", "refused"]
    extra = " and ".join(found["extra"])
    return (
        f"{found['n']} full-size files, each also as a small copy squeezed to a square (JPEG"
        " quality 75), as JPEG of quality 60, PNG and DICOM. The probabilities of all of these are"
        f" within {found['tolerance']} for {found['same']:.1%} of the images. Most of them were"
        f" among the training images, which makes the answers steadier.\n\n{_table(heads, lines)}"
        f"\n\nThe last line ({extra}) is told apart and not counted above."
    )


def _figure(figures: Mapping[str, Any], key: str) -> str:
    """Return a figure and its interval, a share in per cent."""
    shown = _score if key in SCORES else _share
    text = shown(figures[key])
    interval = figures.get(f"{key}_interval")
    if figures[key] is None or not interval:
        return text
    low, high = (shown(end) for end in interval)
    return f"{text} ({low} to {high})"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
