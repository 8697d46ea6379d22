"""Score networks by the number of subjects that they train on: from scratch, and from the motion prior.

Each fold of the protocol of params.yaml trains on the clips of a few random subjects only. Both starts of a model train
on the same subjects with the same seeds, and all models train on the same draws. Start it in the project's folder,
after `microfacial repro` has computed the flow. It prints a table and writes a plot.

    python benchmarks/few_subjects.py [--models mlp roi_graph] [--draws 10] [--subjects 3 5 10 20 0]
                                      [--processes N] [--plot few_subjects.svg]

0 stands for all subjects. Intervals are 95 % intervals of the mean over draws (Student's t). They cover the choice of
the subjects that are trained on and the seeds, but not the choice of the subjects that are tested. On the demo, the
prior's advantage means nothing: it was trained on drawings of that kind.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import t as student

from microfacial.errors import MicrofacialError
from microfacial.evaluation.experiment import Data, load_data
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.protocols import plan_folds
from microfacial.evaluation.scoring import pool
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.models.lookup import uses_prior
from microfacial.models.presets import resolve
from microfacial.records import FloatArray, FoldPlan, Samples
from microfacial.report.figure_style import FIRST, SECOND, use_figure_style

STARTS: Sequence[Mapping[str, Any]] = ({"preset": "default"}, {"preset": "from_prior"})
WITHOUT_PRIOR: Mapping[str, Mapping[str, Any]] = {"hybrid": {"prior_share": 0.0}}  # the default hybrid has the prior
CANDIDATES = tuple(name for name, variant in MODELS.items() if "from_prior" in variant.presets)
_MOST_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Row:
    """Scores of one model for one number of subjects.

    Attributes:
        model: name of the model.
        subjects: number of subjects per fold; 0 for all.
        scores: UF1 of each draw from scratch and from the prior, `(draws, 2)`.
    """

    model: str
    subjects: int
    scores: FloatArray

    @property
    def means(self) -> FloatArray:
        """Mean UF1 from scratch and from the prior, and their mean difference, `(3,)`."""
        return self._columns().mean(axis=0)

    @property
    def margins(self) -> FloatArray:
        """Half of the 95 % interval of each of `means`, `(3,)`. NaN for a single draw."""
        draws = len(self.scores)
        if draws == 1:
            return np.full(3, np.nan)
        margins: FloatArray = student.ppf(0.975, draws - 1) * self._columns().std(axis=0, ddof=1) / np.sqrt(draws)
        return margins

    def _columns(self) -> FloatArray:
        return np.column_stack([self.scores, self.scores[:, 1] - self.scores[:, 0]])


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


def reduce_plans(plans: Sequence[FoldPlan], samples: Samples, subjects: int, draw: int) -> list[FoldPlan]:
    """Return the folds with the training rows of a few subjects. Equal arguments draw equal subjects."""
    random, reduced = np.random.default_rng([draw, subjects]), []
    for plan in plans:
        rows = draw_rows(plan, samples, subjects, random)
        training, validation = plan.training_rows[rows], plan.validation_fold[rows]
        reduced.append(replace(plan, training_rows=training, validation_fold=validation))
    return reduced


def score_starts(data: Data, model: str, subjects: int, draw: int, processes: int) -> list[float]:
    """Return UF1 from scratch and from the prior for one draw of subjects."""
    protocol = data.protocol.model_copy(update={"seed": draw, "repeats": 1})
    scores = []
    for keys in STARTS:
        changes = WITHOUT_PRIOR.get(model, {}) if keys is STARTS[0] else {}
        settings = resolve(model, {**keys, **changes}, model)
        assert uses_prior(model, settings) == (keys is not STARTS[0])
        samples = make_samples(MODELS[model].make_inputs(data.store, settings), data.store, data.clips, data.classes)
        plans = reduce_plans(plan_folds(samples, protocol), samples, subjects, draw)
        folds = list(train_folds(samples, plans, model, settings, processes=processes))
        scores.append(pool(model, samples, folds, protocol).overall.uf1)
    return scores


def describe_row(row: Row) -> str:
    """Return a line of the table: means of UF1 with their intervals."""
    scratch, prior, difference = (
        f"{mean:{sign}.3f} ± {margin:.3f}"
        for mean, margin, sign in zip(row.means, row.margins, ("", "", "+"), strict=True)
    )
    return f"| {row.model} | {row.subjects or 'all'} | {len(row.scores)} | {scratch} | {prior} | {difference} |"


@use_figure_style
def draw_plot(rows: Sequence[Row], path: Path) -> None:
    """Write a plot of UF1 against the number of subjects, one panel per model."""
    models = list(dict.fromkeys(row.model for row in rows))
    figure = Figure(figsize=(3.4 * len(models), 3.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(models), sharey=True))
    for model, axes in zip(models, panels, strict=True):
        _draw_panel(axes, [row for row in rows if row.model == model])
    panels[0].set_ylabel("UF1")
    panels[0].legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_panel(axes: Axes, rows: Sequence[Row]) -> None:
    places = np.arange(len(rows))
    for column, (name, colour) in enumerate((("from scratch", FIRST), ("from the prior", SECOND))):
        means = [row.means[column] for row in rows]
        margins = np.nan_to_num([row.margins[column] for row in rows])
        axes.errorbar(places, means, margins, color=colour, label=name, marker="o", markersize=4, capsize=3)
    axes.set_xticks(places, [str(row.subjects or "all") for row in rows])
    axes.set(title=rows[0].model, xlabel="subjects in training")
    axes.grid(axis="y")


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the checked options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["mlp"], choices=CANDIDATES)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--subjects", type=int, nargs="+", default=[3, 5, 10, 20, 0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plot", type=Path, default=Path("few_subjects.svg"), help="file of the plot, SVG or PNG")
    options = parser.parse_args(arguments)
    if min(options.draws, options.processes) < 1 or min(options.subjects) < 0:
        parser.error("--draws and --processes must be at least 1, and --subjects at least 0")
    if options.plot.suffix not in (".svg", ".png") or not options.plot.absolute().parent.is_dir():
        parser.error(f"--plot must end in .svg or .png and lie in an existing folder, found {options.plot}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per model and number of subjects, and write the plot after each."""
    options = parse_options(arguments)
    try:
        data = load_data()
        print("| model | subjects | draws | from scratch | from the prior | difference |\n|---|---|---|---|---|---|")
        rows = []
        for model in options.models:
            for subjects in dict.fromkeys(options.subjects):
                scores = [score_starts(data, model, subjects, draw, options.processes) for draw in range(options.draws)]
                rows.append(Row(model=model, subjects=subjects, scores=np.array(scores)))
                print(describe_row(rows[-1]), flush=True)
                draw_plot(rows, options.plot)
    except MicrofacialError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
