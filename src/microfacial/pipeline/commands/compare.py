"""Command `compare`: is one trained model better than another, on the same clips?"""

import click

from microfacial.errors import StorageError
from microfacial.evaluation import result_files as outcomes
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.significance import compare_predictions
from microfacial.pipeline.project import PARAMS, Project
from microfacial.records import Comparison, Evaluation
from microfacial.settings import read_section


def run_compare(project: Project, model: str, baseline: str) -> None:
    """Print both scores, their difference over the same draws of subjects, and whether it can be told from zero.

    Raises:
        StorageError: one of the two is not trained.
        ProtocolError: they were not evaluated alike.
    """
    train = read_section(PARAMS, "train", TrainConfig)
    for name in (model, baseline):
        if not (project.results / "train" / name / "evaluation.json").exists():
            raise StorageError(
                f"{name} is not trained on {project.clips.name}. Name it under models in {PARAMS} and run `dvc repro`"
            )
    folders = [project.results / "train" / name for name in (model, baseline)]
    predictions = [outcomes.read_predictions(folder) for folder in folders]
    found = compare_predictions(predictions[0], predictions[1], train.bootstrap_draws, train.seed)
    for line in describe_comparison([outcomes.read_evaluation(folder) for folder in folders], found):
        click.echo(line)


def describe_comparison(evaluations: list[Evaluation], found: Comparison) -> list[str]:
    """Scores, difference, test and verdict, a line each."""
    repeats = max(one.repeats for one in evaluations)
    averaged = f" on predictions averaged over {repeats} repetitions" if repeats > 1 else ""
    width = max(len(name) for name in (found.model, found.baseline, "difference"))
    scores = [
        f"{one.model:{width}}  UF1  {one.overall.uf1:.3f} {_spread(one.uf1_interval, '.3f')}"
        f"   UAR  {one.overall.uar:.3f} {_spread(one.uar_interval, '.3f')}"
        for one in evaluations
    ]
    return [
        *scores,
        f"{'difference':{width}}  UF1 {found.uf1_difference:+.3f} {_spread(found.uf1_interval, '+.3f')}"
        f"   UAR {found.uar_difference:+.3f} {_spread(found.uar_interval, '+.3f')}",
        f"McNemar's exact test{averaged}: {found.only_model} clips only {found.model} has right, "
        f"{found.only_baseline} only {found.baseline}: p = {found.mcnemar_p:.3g}",
        verdict(found),
        *filter(None, {one.note: None for one in evaluations}),
    ]


def verdict(found: Comparison) -> str:
    """Whether the difference in UF1 can be told from zero, in words."""
    if not found.tells_apart:
        return (
            f"The difference in UF1 cannot be told from zero on {found.subjects} subjects: "
            f"this does not show that {found.model} is better or worse than {found.baseline}."
        )
    word = "better" if found.uf1_difference > 0 else "worse"
    return f"{found.model} is {word} than {found.baseline}: the difference in UF1 can be told from zero."


def _spread(interval: tuple[float, float], form: str) -> str:
    return f"[{interval[0]:{form}}, {interval[1]:{form}}]"
