"""Score the MLP by the number of subjects that it trains on: from scratch, and from the motion prior.

Each fold of the protocol of params.yaml trains on the clips of a few random subjects only. Both models train on the
same subjects. Start it in the project's folder, after `make repro` has computed the flow.

    python benchmarks/few_subjects.py [--draws 10] [--subjects 3 5 10 20 0] [--processes N]

0 stands for all subjects. On the demo, the prior's advantage means nothing: it was trained on drawings of that kind.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from microfacial.evaluation.experiment import Data, load_data
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.protocols import plan_folds
from microfacial.evaluation.scoring import pool
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.records import FoldPlan, Samples

MODEL, PRESETS = "mlp", ("default", "from_prior")
_MOST_DRAWS = 1000


def draw_rows(plan: FoldPlan, samples: Samples, subjects: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which training rows of a fold belong to a few random subjects, who show at least two classes."""
    names = samples.subjects[plan.training_rows]
    people = np.unique(names)
    if not subjects or subjects >= len(people):
        return np.ones(len(names), dtype=np.bool_)
    for _ in range(_MOST_DRAWS):
        chosen: NDArray[np.bool_] = np.isin(names, random.choice(people, subjects, replace=False))
        if len(np.unique(samples.labels[plan.training_rows[chosen]])) > 1:
            return chosen
    raise SystemExit(f"no draw of {subjects} subjects shows two classes. Raise --subjects")


def score_presets(data: Data, subjects: int, draw: int, processes: int) -> list[float]:
    """Return UF1 of each preset for one draw of subjects."""
    scores, protocol = [], replace_seed(data, draw).protocol
    for preset in PRESETS:
        settings = resolve(MODEL, {"preset": preset}, MODEL)
        samples = make_samples(MODELS[MODEL].make_inputs(data.store, settings), data.store, data.clips, data.classes)
        random = np.random.default_rng([draw, subjects])  # the same subjects for every preset
        plans = []
        for plan in plan_folds(samples, protocol):
            rows = draw_rows(plan, samples, subjects, random)
            reduced = replace(plan, training_rows=plan.training_rows[rows], validation_fold=plan.validation_fold[rows])
            plans.append(reduced)
        folds = list(train_folds(samples, plans, MODEL, settings, processes=processes))
        scores.append(pool(MODEL, samples, folds, protocol).overall.uf1)
    return scores


def replace_seed(data: Data, seed: int) -> Data:
    """Return the same data with another seed of the protocol, and one repetition."""
    return replace(data, protocol=data.protocol.model_copy(update={"seed": seed, "repeats": 1}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per number of subjects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--subjects", type=int, nargs="+", default=[3, 5, 10, 20, 0])
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    data = load_data()
    for subjects in options.subjects:
        scores = np.array([score_presets(data, subjects, draw, options.processes) for draw in range(options.draws)])
        scratch, prior = scores.mean(axis=0)
        difference = scores[:, 1] - scores[:, 0]
        error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else float("nan")
        print(f"{subjects or 'all':>4} subjects: {scratch:.3f} from scratch, {prior:.3f} from the prior", end="")
        print(f", difference {difference.mean():+.3f} ± {error:.3f} (standard error)")


if __name__ == "__main__":
    main()
