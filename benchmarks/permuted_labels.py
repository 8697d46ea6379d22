"""What does a model score where there is nothing to learn? Chance, or something leaks.

Permutes the labels over all clips, anew for each run, and runs the whole protocol of params.yaml on what the pipeline
has computed. Run it from the project's folder; settings are those of `models.<model>`, or the defaults.

    python benchmarks/permuted_labels.py [--runs 20] [--model hybrid]… [--oracle] [--independent] [--processes N]

A classifier that knows nothing has UAR 1/K. With --oracle the same runs also tell what choosing the epoch on the
held-out rows would claim: it must lie above chance, or this benchmark would not see a leak if there were one.

Permuted labels are not quite independent: those that are held out are missing in the training part, so their classes
are rarer there. What learns frequencies guesses the other classes and falls below chance; what makes up for them,
as balanced class weights with a strong regularisation do, may lie above. That is no leak of the engine's, and fades
with the number of clips. --independent draws each clip's label by itself, with the frequencies of the data: it has no
such bias, and tells the two apart. Either way labels no longer belong to subjects, and runs differ by chance: read the
mean beside its standard error.

Exits with 1 where a model's mean UAR is further than 0.05 from 1/K, above or below, or the oracle's is no higher.
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
MOST_OFF = 0.05  # of UAR from 1/K


@dataclass(frozen=True, kw_only=True)
class Run:
    """Scores of one run, and those of its oracle if that watched and there are epochs to choose from."""

    honest: Score
    oracle: OracleScore | None


def permute(data: Data, seed: int, *, independent: bool = False) -> Data:
    """The same clips with one another's labels, each given away once, or as often as it is drawn."""
    random, count = np.random.default_rng(seed), len(data.clips)
    order = random.integers(count, size=count) if independent else random.permutation(count)
    labels = [data.clips[row].label for row in order]
    return replace(
        data, clips=tuple(replace(clip, label=label) for clip, label in zip(data.clips, labels, strict=True))
    )


def run_once(data: Data, model: str, settings: Section, what: str, processes: int, oracle: bool) -> Run:
    """The whole protocol once, on labels as they are."""
    samples = make_samples(MODELS[model].make_inputs(data.store, settings), data.store, data.clips, data.classes)
    plans = plan_folds(samples, data.protocol)
    with TemporaryDirectory() as folder, Countdown(what, len(plans), processes) as countdown:
        watch = record_oracle(Path(folder)) if oracle else None
        folds = []
        for fold in train_folds(samples, plans, model, settings, processes=processes, make_watch=watch):
            folds.append(fold)
            countdown.count(fold)
        found = read_oracle(Path(folder), plans)
    claimed = pool_oracle(found, len(data.classes)) if found else None
    return Run(honest=score(data, folds, model).overall, oracle=claimed)


def run_many(data: Data, model: str, options: argparse.Namespace) -> list[Run]:
    """As many runs as asked for, each on labels of its own."""
    sections = read_sections(PARAMS).get("models", {})
    settings = resolve(model, sections.get(model, {}), f"{PARAMS}: models.{model}")
    runs: list[Run] = []
    for number in range(options.runs):
        what = f"{model} {number + 1}/{options.runs}"
        permuted = permute(data, options.seed + number, independent=options.independent)
        runs.append(run_once(permuted, model, settings, what, options.processes, options.oracle))
        print(f"{what}: {_scores(runs[-1])}", flush=True)
    return runs


def _scores(run: Run) -> str:
    honest = f"UAR {run.honest.uar:.3f}, UF1 {run.honest.uf1:.3f}"
    if run.oracle is None:
        return honest
    return f"{honest}; oracle UAR {run.oracle.oracle_uar:.3f}, UF1 {run.oracle.oracle_uf1:.3f}"


def judge(model: str, runs: Sequence[Run], chance: float) -> bool:
    """Print the means, and return whether they are as they must be."""
    uar, uf1 = ([getattr(run.honest, name) for run in runs] for name in ("uar", "uf1"))
    off = float(np.mean(uar)) - chance
    fair = abs(off) <= MOST_OFF
    print(f"{model}: UAR {_mean(uar)}, UF1 {_mean(uf1)} of {len(runs)} runs; chance is {chance:.3f}, off by {off:+.3f}")
    claimed = [run.oracle for run in runs if run.oracle is not None]
    if not claimed:
        return fair
    oracle_uar = [one.oracle_uar for one in claimed]
    print(f"{model}: oracle UAR {_mean(oracle_uar)}, UF1 {_mean([one.oracle_uf1 for one in claimed])}")
    return fair and float(np.mean(oracle_uar)) > max(chance, float(np.mean(uar)))


def _mean(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.3f} (standard error)"


def main() -> None:
    """Run each model on permuted labels and compare its mean UAR with chance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--model", action="append", choices=list(MODELS), help="repeatable; hybrid if none is named")
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--independent", action="store_true", help="draw labels one by one: no bias by who is held out")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the first permutation")
    options = parser.parse_args()
    data = load_data()
    chance = 1 / len({clip.label for clip in data.clips})
    found = {model: run_many(data, model, options) for model in options.model or ["hybrid"]}
    verdicts = [judge(model, runs, chance) for model, runs in found.items()]
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
