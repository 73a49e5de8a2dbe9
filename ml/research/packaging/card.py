"""The model card, written from a package's measured figures.

Form: Mitchell et al., *Model Cards for Model Reporting* (FAT* 2019).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from ml.research.evaluation.heatmap import rim_area
from ml.research.gate.report import gate_section
from ml.research.packaging.card_adults import adults_section, way_of_adults
from ml.research.packaging.card_tables import (
    SCORES,
    SHARES,
    figure,
    folds_table,
    points_by_fold,
    score,
    table,
)
from ml.serving.backbones import IMAGENET
from ml.serving.package import PLOTS, plot_file

TEMPLATE = Path(__file__).with_name("card_template.md")

FOLDS = {
    "random": ": patients drawn at random.",
    "pessimistic": ": the normals with the lowest patient numbers and pneumonia patients drawn to"
    " match, as in the published test split, which was not used for anything.",
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
        figures=folds_table(facts["figures"], {**SCORES, **SHARES}),
        points_by_fold=points_by_fold(facts["figures"]),
        thresholds=_thresholds_table(facts["thresholds"]),
        independent=_independent(facts.get("independent", [])),
        stages=way_of_adults(facts),
        adults=adults_section(facts),
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
        options="; for adults: ".join(_options(m) for m in (training, stages) if m),
    )


def _options(training: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in training["options"].items())


def _range(calibration: Mapping[str, Any]) -> str:
    return f"{calibration['margin']:.2g} and {1 - calibration['margin']:.4g}"


def _thresholds_table(thresholds: Mapping[str, Any]) -> str:
    lines = [
        (name, f"{point['threshold']:.3f}", point["criterion"])
        for name, point in thresholds.items()
    ]
    return table(["operating point", "threshold", "chosen for"], lines)


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
        f"{folds_table(figures, {**SCORES, **SHARES})}\n\nAt every operating point:\n\n"
        f"{points_by_fold(figures, 'images')}"
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
    found = table(
        ["fold", "bacterial: images", "found", "viral: images", "found"],
        [
            (
                name,
                *(
                    cell
                    for kind in ("bacteria", "virus")
                    for cell in (
                        fold["subtypes"][kind]["n"],
                        figure(fold["subtypes"][kind], "sensitivity"),
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
    told_apart = table(
        ["", *by_fold],
        [
            ("images", *(fold["n"] for fold in by_fold.values())),
            *(
                (label, *(figure(fold, key) for fold in by_fold.values()))
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
            figure(found, "pointed"),
            figure(found, "energy"),
            figure(found, "area"),
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
        f" the area's share in the box.\n\n{table(heads, lines)}"
    )


def _consistency(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "Not measured for this version."
    lines = [
        (kind, f"{against['same']:.1%}", score(against["largest_difference"]), against["refused"])
        for group in ("against_original", "extra")
        for kind, against in found[group].items()
    ]
    heads = ["against the full-size original", "same", "largest difference", "refused"]
    extra = " and ".join(found["extra"])
    return (
        f"{found['n']} full-size files, each also as a small copy squeezed to a square (JPEG"
        " quality 75), as JPEG of quality 60, PNG and DICOM. The probabilities of all of these are"
        f" within {found['tolerance']} for {found['same']:.1%} of the images. Most of them were"
        f" among the training images, which makes the answers steadier.\n\n{table(heads, lines)}"
        f"\n\nThe last line ({extra}) is told apart and not counted above."
    )
