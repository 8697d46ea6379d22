"""Train on permuted labels and compare the scores with chance. A score above chance shows a leak.

Each run permutes the labels of all clips and trains the whole protocol of params.yaml on the features that the pipeline
has computed. Start it in the project's folder. Settings are those of `models.<model>`, or the defaults.

    python benchmarks/permuted_labels.py [--runs 20] [--model hybrid]… [--oracle] [--independent] [--processes N]

A classifier that has learnt nothing has a UAR of 1/K. With --oracle the same runs also record the score of choosing the
epoch on the test rows. This score must lie above chance. Otherwise the benchmark could not detect a leak.

Permuted labels are not quite independent. The labels of the test rows are missing in the training rows, so their
classes are rarer there. A model that learns class frequencies predicts the other classes and scores below chance. A
model that compensates for frequencies, as balanced class weights with strong regularisation do, may score above chance.
This is not a leak, and it becomes smaller with more clips. --independent draws the label of each clip separately, with
the class frequencies of the data. It has no such bias, so it tells the two apart. In both cases labels no longer belong
to subjects, and runs differ by chance. Read the mean together with its standard error.

The exit code is 1 if the mean UAR of a model differs from 1/K by more than 0.05, or if the oracle's is not higher.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from microfacial.evaluation.experiment import Data, load_data, score
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.oracle import OracleScore, pool_oracle, read_oracle, record_oracle
from microfacial.evaluation.protocols import plan_folds
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.pipeline.progress import Countdown
from microfacial.records import Score
from microfacial.settings import Section, read_sections

PARAMS = Path("params.yaml")
MAX_DEVIATION = 0.05  # of the mean UAR from 1/K


@dataclass(frozen=True, kw_only=True)
class Run:
    """Scores of one run.

    Attributes:
        honest: pooled scores of the protocol.
        oracle: scores of the oracle. None if it was not recorded, or if the model has no epochs.
    """

    honest: Score
    oracle: OracleScore | None


def permute(data: Data, seed: int, *, independent: bool = False) -> Data:
    """Return the same clips with permuted labels, or with independently drawn ones."""
    random, count = np.random.default_rng(seed), len(data.clips)
    order = random.integers(count, size=count) if independent else random.permutation(count)
    labels = [data.clips[row].label for row in order]
    return replace(
        data, clips=tuple(replace(clip, label=label) for clip, label in zip(data.clips, labels, strict=True))
    )


def run_once(data: Data, model: str, settings: Section, label: str, processes: int, oracle: bool) -> Run:
    """Train the whole protocol once on the labels of `data`."""
    samples = make_samples(MODELS[model].make_inputs(data.store, settings), data.store, data.clips, data.classes)
    plans = plan_folds(samples, data.protocol)
    with TemporaryDirectory() as folder, Countdown(label, len(plans), processes) as countdown:
        make_watch = record_oracle(Path(folder)) if oracle else None
        folds = []
        for fold in train_folds(samples, plans, model, settings, processes=processes, make_watch=make_watch):
            folds.append(fold)
            countdown.count(fold)
        oracle_folds = read_oracle(Path(folder), plans)
    oracle_score = pool_oracle(oracle_folds, len(data.classes)) if oracle_folds else None
    return Run(honest=score(data, folds, model).overall, oracle=oracle_score)


def run_many(data: Data, model: str, options: argparse.Namespace) -> list[Run]:
    """Train the protocol `options.runs` times, each time with other labels."""
    sections = read_sections(PARAMS).get("models", {})
    settings = resolve(model, sections.get(model, {}), f"{PARAMS}: models.{model}")
    runs: list[Run] = []
    for number in range(options.runs):
        label = f"{model} {number + 1}/{options.runs}"
        permuted = permute(data, options.seed + number, independent=options.independent)
        runs.append(run_once(permuted, model, settings, label, options.processes, options.oracle))
        print(f"{label}: {_scores(runs[-1])}", flush=True)
    return runs


def _scores(run: Run) -> str:
    honest = f"UAR {run.honest.uar:.3f}, UF1 {run.honest.uf1:.3f}"
    if run.oracle is None:
        return honest
    return f"{honest}; oracle UAR {run.oracle.oracle_uar:.3f}, UF1 {run.oracle.oracle_uf1:.3f}"


def report(model: str, runs: Sequence[Run], chance: float) -> bool:
    """Print the means of all runs. Return whether they are close to chance and the oracle's are higher."""
    uar, uf1 = ([getattr(run.honest, name) for run in runs] for name in ("uar", "uf1"))
    deviation = float(np.mean(uar)) - chance
    fair = abs(deviation) <= MAX_DEVIATION
    print(
        f"{model}: UAR {_mean(uar)}, UF1 {_mean(uf1)} of {len(runs)} runs; "
        f"chance is {chance:.3f}, deviation {deviation:+.3f}"
    )
    oracles = [run.oracle for run in runs if run.oracle is not None]
    if not oracles:
        return fair
    oracle_uar = [oracle.oracle_uar for oracle in oracles]
    print(f"{model}: oracle UAR {_mean(oracle_uar)}, UF1 {_mean([oracle.oracle_uf1 for oracle in oracles])}")
    return fair and float(np.mean(oracle_uar)) > max(chance, float(np.mean(uar)))


def _mean(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.3f} (standard error)"


def main() -> None:
    """Train each model on permuted labels and compare its mean UAR with chance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20, help="number of permutations")
    parser.add_argument("--model", action="append", choices=list(MODELS), help="can be repeated; default: hybrid")
    parser.add_argument("--oracle", action="store_true", help="also record the oracle")
    parser.add_argument("--independent", action="store_true", help="draw the label of each clip separately")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first permutation")
    options = parser.parse_args()
    data = load_data()
    chance = 1 / len({clip.label for clip in data.clips})
    runs = {model: run_many(data, model, options) for model in options.model or ["hybrid"]}
    passed = [report(model, model_runs, chance) for model, model_runs in runs.items()]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
