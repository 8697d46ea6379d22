"""Score trained models on all subjects and on the subjects that no setting was tuned on, with paired differences.

The tuning half of the published maps is every second subject of each corpus, from the first on. The others are
reserved. Both scores come from the same held-out predictions, so nothing is trained. Under the protocol `holdout`, only
the subjects in `train.holdout` have predictions, and there is one table. Start it in the project's folder.

    python benchmarks/reserved_subjects.py results/maps/train [--model hybrid]

Intervals are 95 % percentile intervals over draws of subjects. Differences are those of `--model` to each other model.
"""

import argparse
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microfacial.evaluation.result_files import read_predictions
from microfacial.evaluation.scoring import deviation
from microfacial.evaluation.significance import bootstrap_intervals, compare_predictions, count_by_subject
from microfacial.metrics import uar, uf1
from microfacial.records import Predictions

_DRAWS = 2000


def find_reserved(subjects: NDArray[np.str_]) -> set[str]:
    """Return every second subject of each corpus, from the second on."""
    corpora = groupby(np.unique(subjects).tolist(), key=lambda name: name.partition("/")[0])
    return {name for _, names in corpora for name in list(names)[1::2]}


def print_scores(predictions: Mapping[str, Predictions], model: str) -> None:
    """Print a table with the scores of each model and the difference of one model to it."""
    first = predictions[model]
    print(f"{len(first.clips)} clips of {len(np.unique(first.subjects))} subjects")
    print(f"| model | seeds | UF1 ± sd | 95 % | UAR | {model} − model | 95 % |\n|---|---|---|---|---|---|---|")
    for name, rows in predictions.items():
        by_subject = count_by_subject(rows)
        counts = by_subject.sum(axis=1)
        (low, high), _ = bootstrap_intervals(by_subject, _DRAWS, 0)
        cells = [name, f"{len(counts)}", f"{uf1(counts).mean():.3f} ± {deviation(uf1(counts)):.3f}"]
        cells += [f"{low:.3f}–{high:.3f}", f"{uar(counts).mean():.3f}", "", ""]
        if name != model:
            difference = compare_predictions(first, rows, _DRAWS, 0)
            cells[-2:] = [f"{difference.uf1_difference:+.3f}", "{:+.3f} to {:+.3f}".format(*difference.uf1_interval)]
        print(f"| {' | '.join(cells)} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table for all subjects and one for the reserved subjects, which `holdout` may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="results/<data set>/train")
    parser.add_argument("--model", default="hybrid", help="model that is compared with all others")
    options = parser.parse_args(arguments)
    trained = sorted(path.parent for path in options.folder.glob("*/predictions.csv"))
    predictions = {folder.name: read_predictions(folder) for folder in trained}
    if options.model not in predictions:
        parser.error(f"{options.folder} has no predictions of {options.model}")
    first = predictions[options.model]
    everyone, reserved = set(first.subjects.tolist()), find_reserved(first.subjects)
    for subjects in (everyone,) if first.protocol == "holdout" else (everyone, reserved):
        print_scores({name: rows.of_subjects(subjects) for name, rows in predictions.items()}, options.model)


if __name__ == "__main__":
    main()
