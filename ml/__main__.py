"""python -m ml train | evaluate | predict | benchmark"""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ml import images
from ml.assessment import Assessment
from ml.dataset import DatasetError, find_images, labels, load_inputs, make_folds
from ml.evaluation import measure
from ml.images import ImageError
from ml.package import SHIPPED_PACKAGE, ModelPackage, PackageError, load_package
from ml.predictor import Predictor
from ml.preprocessing import network_input


def main() -> int:
    """Run the command line and return the exit status."""
    arguments = _parser().parse_args()
    # TensorFlow's own messages would drown ours; its errors are still shown.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return int(arguments.command(arguments))
    except (DatasetError, PackageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml", description="Chestline's network.")
    commands = parser.add_subparsers(required=True)

    train = commands.add_parser("train", help="train a network and write a model package")
    train.set_defaults(command=_train)
    train.add_argument("--data", type=Path, required=True, help="folders NORMAL and PNEUMONIA")
    train.add_argument("--out", type=Path, required=True, help="the package; its name = version")
    train.add_argument("--epochs", type=int)
    train.add_argument("--seed", type=int)

    evaluate = commands.add_parser("evaluate", help="measure a package on labelled images")
    evaluate.set_defaults(command=_evaluate)
    evaluate.add_argument("--data", type=Path, required=True, help="folders NORMAL and PNEUMONIA")

    predict = commands.add_parser("predict", help="assess single files")
    predict.set_defaults(command=_predict)
    predict.add_argument("files", type=Path, nargs="+", metavar="FILE", help="DICOM, JPEG or PNG")

    benchmark = commands.add_parser("benchmark", help="images a second at batch 1, 8 and 32")
    benchmark.set_defaults(command=_benchmark)

    for command in (evaluate, predict, benchmark):
        command.add_argument("--package", type=Path, default=SHIPPED_PACKAGE)
        command.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _train(arguments: argparse.Namespace) -> int:
    # What only training needs is not loaded for the other commands.
    from ml.augmentation import augment
    from ml.packaging import Responses, build_package
    from ml.training import TrainingOptions, train

    given = {
        name: value
        for name in ("epochs", "seed")
        if (value := getattr(arguments, name)) is not None
    }
    options = TrainingOptions(**given)
    folds = make_folds(find_images(arguments.data), seed=options.seed)
    size = options.input_size
    inputs = load_inputs(folds.training, size, "training images")
    targets = labels(folds.training)
    held_out = {
        name: (load_inputs(fold, size, f"{name} fold"), labels(fold))
        for name, fold in (("random", folds.random), ("pessimistic", folds.pessimistic))
    }
    network = train(inputs, targets, held_out, options)
    rng = np.random.default_rng(options.seed)
    copies = np.stack([augment(image, rng) for image in tqdm(inputs, "augmented copies")])
    changed = "".join(f" --{name} {value}" for name, value in given.items())
    package = build_package(
        arguments.out,
        network,
        Responses.of(network, np.concatenate([inputs, copies]), np.tile(targets, 2)),
        {name: Responses.of(network, *fold) for name, fold in held_out.items()},
        {
            "images": len(targets),
            "pneumonia": int(targets.sum()),
            "patients": len({image.patient for image in folds.training}),
            "command": f"python -m ml train --data DIR --out {arguments.out.name}{changed}",
            "options": asdict(options),
        },
    )
    print(f"Wrote {package.path} (SHA-256 {package.sha256})")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    found = find_images(arguments.data)
    package = load_package(arguments.package)
    results = _assess([image.path for image in found], package, arguments.device)
    targets = labels(found)
    readable = np.array([isinstance(result, Assessment) for result in results])
    probabilities = np.array(
        [
            result.probability
            if isinstance(result, Assessment) and result.probability is not None
            else np.nan
            for result in results
        ]
    )
    assessed = ~np.isnan(probabilities)
    refused = readable & ~assessed
    figures = {
        "package": package.version,
        "n": int(readable.sum()),
        "unreadable": int((~readable).sum()),
        "refused": round(float(refused.sum() / max(readable.sum(), 1)), 4),
        **measure(targets[assessed], probabilities[assessed], package.thresholds),
    }
    _print(figures, arguments.json)
    return 0


def _predict(arguments: argparse.Namespace) -> int:
    package = load_package(arguments.package)
    results = _assess(arguments.files, package, arguments.device)
    rows: list[dict[str, object]] = []
    for path, result in zip(arguments.files, results, strict=True):
        if isinstance(result, Assessment):
            row = {
                "probability": result.probability,
                "category": result.category,
                "reason_code": result.reason_code,
                "reason": result.reason,
                "heatmap": result.heatmap.tolist(),
            }
        else:
            row = {
                "probability": None,
                "category": "unreadable",
                "reason_code": result.code if isinstance(result, ImageError) else "io_error",
                "reason": str(result),
            }
        rows.append({"file": str(path), **row})
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            probability = row["probability"]
            shown = "   -  " if probability is None else f"{probability:6.3f}"
            print(f"{shown}  {row['category']:<15} {row['file']}  {row['reason']}")
    return 1 if any(row["category"] == "unreadable" for row in rows) else 0


def _benchmark(arguments: argparse.Namespace) -> int:
    package = load_package(arguments.package)
    predictor = Predictor(package, device=arguments.device)
    rng = np.random.default_rng(0)
    size = package.input_size
    figures: dict[str, object] = {"package": package.version, "device": predictor.device_name}
    for batch_size in (1, 8, 32):
        batch = rng.integers(0, 256, (batch_size, size, size), dtype=np.uint8)
        predictor.predict(batch)
        started = time.perf_counter()
        done = 0
        while (elapsed := time.perf_counter() - started) < 3:
            predictor.predict(batch)
            done += batch_size
        figures[f"images_per_second_at_batch_{batch_size}"] = round(done / elapsed, 1)
    _print(figures, arguments.json)
    return 0


def _assess(
    paths: list[Path], package: ModelPackage, device: str
) -> list[Assessment | ImageError | OSError]:
    """Assess files in their order; a file that cannot be read gives its error instead."""
    predictor = Predictor(package, device=device)

    def load(path: Path) -> np.ndarray | ImageError | OSError:
        try:
            return network_input(images.read(path.read_bytes()), package.input_size)
        except (ImageError, OSError) as error:
            return error

    results: list[Assessment | ImageError | OSError] = []
    with (
        ThreadPoolExecutor() as pool,
        tqdm(total=len(paths), unit="image", disable=None) as progress,
    ):
        for start in range(0, len(paths), predictor.batch_size):
            loaded = list(pool.map(load, paths[start : start + predictor.batch_size]))
            inputs = [item for item in loaded if isinstance(item, np.ndarray)]
            assessments = iter(predictor.predict(np.stack(inputs)) if inputs else [])
            results += [
                next(assessments) if isinstance(item, np.ndarray) else item for item in loaded
            ]
            progress.update(len(loaded))
    return results


def _print(figures: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    sys.exit(main())
