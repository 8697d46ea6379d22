"""The content of metrics.json, which `dvc metrics` compares between commits, and of scores.json, which has all scores.

DVC shows each number of metrics.json in its own column, so that file has two numbers per model.
"""

from collections.abc import Sequence
from typing import Any

from microfacial.records import Comparison
from microfacial.report.results import ModelResult, count_repetitions, join_notes, rank_results

_DIGITS = 4


def list_metrics(results: Sequence[ModelResult]) -> dict[str, dict[str, float]]:
    """Return the two main scores of every model, rounded to four digits.

    Args:
        results: Results of all models.

    Returns:
        `uf1` and `uar` by name of the model, best UF1 first.
    """
    return {
        result.model: {"uf1": _round(result.evaluation.overall.uf1), "uar": _round(result.evaluation.overall.uar)}
        for result in rank_results(results)
    }


def summarise(results: Sequence[ModelResult]) -> dict[str, Any]:
    """Return all scores of every model, rounded to four digits.

    Args:
        results: Results of all models; they share a protocol.

    Returns:
        `note`, `protocol`, `repeats`, and `models`: scores by name of the model, best UF1 first. A model with fewer
        repetitions than others, because it ignores the seed, has its own `repeats`.
    """
    shared, repeats = results[0].evaluation, count_repetitions(results)
    return {
        "note": join_notes(results),
        "protocol": shared.protocol,
        "repeats": repeats,
        "models": {result.model: _summarise_model(result, repeats) for result in rank_results(results)},
    }


def _summarise_model(result: ModelResult, repeats: int) -> dict[str, Any]:
    evaluation = result.evaluation
    return {
        **({"repeats": evaluation.repeats} if evaluation.repeats < repeats else {}),
        "uf1": _round(evaluation.overall.uf1),
        "uf1_interval": [_round(edge) for edge in evaluation.uf1_interval],
        "uf1_sd": _round(evaluation.uf1_sd),
        "uar": _round(evaluation.overall.uar),
        "uar_interval": [_round(edge) for edge in evaluation.uar_interval],
        "uar_sd": _round(evaluation.uar_sd),
        "accuracy": _round(evaluation.overall.accuracy),
        "ece": _round(evaluation.ece),
        "mean_over_folds_uf1": _round(evaluation.mean_over_folds_uf1),
        "mean_over_folds_uar": _round(evaluation.mean_over_folds_uar),
        "mean_over_folds_accuracy": _round(evaluation.mean_over_folds_accuracy),
        "clips": evaluation.overall.clips,
        "subjects": evaluation.overall.subjects,
        "corpora": {
            corpus: {"uf1": _round(score.uf1), "uar": _round(score.uar), "clips": score.clips}
            for corpus, score in evaluation.corpora.items()
        },
        **_summarise_comparison(result.against_baseline),
    }


def _summarise_comparison(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    return {
        f"against_{comparison.baseline}": {
            "uf1_difference": _round(comparison.uf1_difference),
            "interval": [_round(edge) for edge in comparison.uf1_interval],
            "p": _round(comparison.mcnemar_p),
        }
    }


def _round(value: float) -> float:
    return round(value, _DIGITS)
