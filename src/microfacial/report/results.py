"""Results of all models: the record that every part of the report reads, their order, and their comparisons."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from microfacial.records import Comparison, Evaluation, History, Importances, Predictions, UnitEvaluation
from microfacial.settings import Section

BASELINE = "linear_svm"  # scores.json compares with this model even if another is better: commits stay comparable
SIMPLE_MODELS = ("majority", "linear_svm", "logistic_regression", "mlp")  # every other model should beat these


class ReportConfig(Section):
    """The `report` section of params.yaml."""

    hardest_clips: int = Field(10, ge=0, le=1000)  # how many clips the page shows of those that most models get wrong
    ablation: str | None = Field(None, pattern="^[0-9a-f]{16}$")  # digest of the tables of `microfacial ablate`


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """The result of one trained model.

    Attributes:
        evaluation: Scores.
        predictions: Predictions for all test clips.
        curves: Training curves of each fold by the fold's key; empty histories for a model without epochs.
        importances: Weights for each test clip; None unless the model can explain its predictions.
        settings: Settings that the model was trained with, by section of params.yaml.
        against_baseline: Comparison with `BASELINE`; None for that model itself, or if it was not trained.
        against_best: Comparison with the best simple model; None for that model itself, or if none was trained.
        oracle: UF1 if the epoch were chosen on the test subjects; None unless it was measured. Nothing is ranked by it.
    """

    evaluation: Evaluation
    predictions: Predictions
    curves: Mapping[str, History] = field(default_factory=dict)
    importances: Importances | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    against_baseline: Comparison | None = None
    against_best: Comparison | None = None
    oracle: float | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.evaluation.model

    @property
    def has_curves(self) -> bool:
        """Whether the model was trained in epochs."""
        return any(history.training_loss for history in self.curves.values())


def rank_results(results: Sequence[ModelResult]) -> list[ModelResult]:
    """Return the results with the best UF1 first; ties are sorted by name.

    Args:
        results: Results of all models.
    """
    return sorted(results, key=lambda result: (-result.evaluation.overall.uf1, result.model))


def count_repetitions(results: Sequence[ModelResult]) -> int:
    """Return the number of repetitions of the models that have most. Models that ignore the seed have one.

    Args:
        results: Results of all models.
    """
    return max(result.evaluation.repeats for result in results)


def join_notes(evaluations: Iterable[Evaluation | UnitEvaluation]) -> str:
    """Return everything that must be known to read the scores, each remark once.

    Args:
        evaluations: Scores of all models.
    """
    notes = (note for evaluation in evaluations for note in evaluation.note.split("; "))
    return "; ".join(dict.fromkeys(filter(None, notes)))


def find_best_simple(results: Sequence[ModelResult]) -> str | None:
    """Return the name of the simple model with the best UF1, or None if there is no simple model.

    The model is chosen by the same scores that it is then compared by, so comparisons favour it slightly.

    Args:
        results: Results of all models.
    """
    simple = [result for result in rank_results(results) if result.model in SIMPLE_MODELS]
    return simple[0].model if simple else None


def add_comparisons(
    results: Sequence[ModelResult], compare: Callable[[Predictions, Predictions], Comparison]
) -> list[ModelResult]:
    """Compare every model with the best simple model and with `BASELINE`. A model is not compared with itself.

    Args:
        results: Results of all models, without comparisons.
        compare: Compares a model's predictions (first) with those of a baseline (second).

    Returns:
        The same results, in the same order, with `against_best` and `against_baseline`.
    """
    predictions = {result.model: result.predictions for result in results}
    best = find_best_simple(results)

    def compare_with(model: str, baseline: str | None) -> Comparison | None:
        if baseline not in predictions or baseline == model:
            return None
        return compare(predictions[model], predictions[baseline])

    compared = []
    for result in results:
        against_best = compare_with(result.model, best)
        against_baseline = against_best if best == BASELINE else compare_with(result.model, BASELINE)
        compared.append(replace(result, against_best=against_best, against_baseline=against_baseline))
    return compared
