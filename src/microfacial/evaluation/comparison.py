"""Describe a comparison of two models in words."""

from collections.abc import Sequence

from microfacial.records import Comparison, Evaluation, UnitComparison, UnitEvaluation


def describe_comparison(evaluations: Sequence[Evaluation], comparison: Comparison) -> list[str]:
    """Return lines with both scores, their difference, McNemar's test and the conclusion.

    Args:
        evaluations: scores of the model and of the baseline.
        comparison: their paired difference.

    Returns:
        One line for each model, for the difference, for the test, for the conclusion and for each distinct note.
    """
    several = [evaluation for evaluation in evaluations if evaluation.repeats > 1]
    names = f" of {several[0].model}" if len(several) == 1 else ""
    averaged = f" on predictions{names} averaged over {several[0].repeats} repetitions" if several else ""
    width = max(len(name) for name in (comparison.model, comparison.baseline, "difference"))
    scores = [
        f"{evaluation.model:{width}}  UF1  {evaluation.overall.uf1:.3f} {_brackets(evaluation.uf1_interval, '.3f')}"
        f"   UAR  {evaluation.overall.uar:.3f} {_brackets(evaluation.uar_interval, '.3f')}"
        for evaluation in evaluations
    ]
    return [
        *scores,
        f"{'difference':{width}}  UF1 {comparison.uf1_difference:+.3f} {_brackets(comparison.uf1_interval, '+.3f')}"
        f"   UAR {comparison.uar_difference:+.3f} {_brackets(comparison.uar_interval, '+.3f')}",
        f"McNemar's exact test{averaged}: only {comparison.model} is right on {comparison.only_model} clips, "
        f"only {comparison.baseline} on {comparison.only_baseline}: p = {comparison.mcnemar_p:.3g}",
        describe_difference(comparison),
        *filter(None, {evaluation.note: None for evaluation in evaluations}),
    ]


def describe_unit_comparison(evaluations: Sequence[UnitEvaluation], comparison: UnitComparison) -> list[str]:
    """Return lines with the mean scores of action units of two models, their difference and the conclusion.

    Args:
        evaluations: scores of the model and of the baseline.
        comparison: their paired difference.

    Returns:
        One line for each model, for the difference, for the conclusion and for each distinct note.
    """
    width = max(len(name) for name in (comparison.model, comparison.baseline, "difference"))
    scores = [
        f"{evaluation.model:{width}}  F1  {_span(evaluation.overall.f1, evaluation.f1_interval, '.3f')}"
        f"   ROC area  {_span(evaluation.overall.roc_area, evaluation.roc_interval, '.3f')}"
        for evaluation in evaluations
    ]
    return [
        *scores,
        f"{'difference':{width}}  F1 {_span(comparison.f1_difference, comparison.f1_interval, '+.3f')}"
        f"   ROC area {_span(comparison.roc_difference, comparison.roc_interval, '+.3f')}",
        describe_difference(comparison),
        *filter(None, {evaluation.note: None for evaluation in evaluations}),
    ]


def describe_difference(comparison: Comparison | UnitComparison) -> str:
    """Say in one or two sentences whether the difference can be told from zero: in UF1, or in the F1 of action units.

    Args:
        comparison: the paired difference of two models.

    Returns:
        A text that does not claim more than the interval supports.
    """
    if isinstance(comparison, UnitComparison):
        score, difference = "the mean F1 of action units", comparison.f1_difference or 0.0
    else:
        score, difference = "UF1", comparison.uf1_difference
    if isinstance(comparison, UnitComparison) and comparison.f1_difference is None:
        return "Nothing to compare: no action unit moves in these clips, so none has an F1."
    if not comparison.tells_apart:
        return (
            f"The difference in {score} cannot be told from zero on {comparison.subjects} subjects. "
            f"This does not show that {comparison.model} is better or worse than {comparison.baseline}."
        )
    word = "better" if difference > 0 else "worse"
    return f"{comparison.model} is {word} than {comparison.baseline}: the difference in {score} can be told from zero."


def _span(score: float | None, interval: tuple[float, float] | None, form: str) -> str:
    return "–" if score is None or interval is None else f"{score:{form}} {_brackets(interval, form)}"


def _brackets(interval: tuple[float, float], form: str) -> str:
    return f"[{interval[0]:{form}}, {interval[1]:{form}}]"
