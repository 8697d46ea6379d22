"""The content of metrics.json, which `dvc metrics` compares between commits, and of scores.json, which has all scores.

DVC shows each number of metrics.json in its own column, so that file has two numbers per model.
"""

from collections.abc import Sequence
from typing import Any

from microfacial.records import Comparison
from microfacial.report.results import ModelResult, count_repetitions, join_notes, rank_results
from microfacial.report.rounding import round_scores


def list_metrics(results: Sequence[ModelResult]) -> dict[str, dict[str, float]]:
    """Return the two main scores of every model, rounded to four digits.

    Args:
        results: Results of all models.

    Returns:
        `uf1` and `uar` by name of the model, best UF1 first.
    """
    scores = {result.model: result.evaluation.overall for result in rank_results(results)}
    metrics: dict[str, dict[str, float]] = round_scores(
        {model: {"uf1": score.uf1, "uar": score.uar} for model, score in scores.items()}
    )
    return metrics


def summarise(results: Sequence[ModelResult]) -> dict[str, Any]:
    """Return all scores of every model, rounded to four digits.

    Args:
        results: Results of all models; they share a protocol.

    Returns:
        `note`, `protocol`, `repeats`, and `models`: scores by name of the model, best UF1 first. A model with fewer
        repetitions than others, because it ignores the seed, has its own `repeats`.
    """
    shared, repeats = results[0].evaluation, count_repetitions(results)
    summary: dict[str, Any] = round_scores(
        {
            "note": join_notes(result.evaluation for result in results),
            "protocol": shared.protocol,
            "repeats": repeats,
            "models": {result.model: _summarise_model(result, repeats) for result in rank_results(results)},
        }
    )
    return summary


def _summarise_model(result: ModelResult, repeats: int) -> dict[str, Any]:
    evaluation = result.evaluation
    return {
        **({"repeats": evaluation.repeats} if evaluation.repeats < repeats else {}),
        "uf1": evaluation.overall.uf1,
        "uf1_interval": evaluation.uf1_interval,
        "uf1_sd": evaluation.uf1_sd,
        "uar": evaluation.overall.uar,
        "uar_interval": evaluation.uar_interval,
        "uar_sd": evaluation.uar_sd,
        "accuracy": evaluation.overall.accuracy,
        "ece": evaluation.ece,
        "mean_over_folds_uf1": evaluation.mean_over_folds_uf1,
        "mean_over_folds_uar": evaluation.mean_over_folds_uar,
        "mean_over_folds_accuracy": evaluation.mean_over_folds_accuracy,
        "clips": evaluation.overall.clips,
        "subjects": evaluation.overall.subjects,
        "corpora": {
            corpus: {"uf1": score.uf1, "uar": score.uar, "clips": score.clips}
            for corpus, score in evaluation.corpora.items()
        },
        **_summarise_comparison(result.against_baseline),
    }


def _summarise_comparison(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    return {
        f"against_{comparison.baseline}": {
            "uf1_difference": comparison.uf1_difference,
            "interval": comparison.uf1_interval,
            "p": comparison.mcnemar_p,
        }
    }
