"""Results of all models: their order, whom they are compared with, what was found, and metrics.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from microfacial.records import Comparison, Evaluation, History, Importances, Predictions
from microfacial.settings import Section

BASELINE = "linear_svm"  # metrics.json compares with it, best or not, so that commits can be compared
SIMPLE = ("majority", "linear_svm", "logistic_regression", "mlp")  # what every other model has to beat
_DIGITS = 4


class ReportConfig(Section):
    """The `report` section of params.yaml."""

    hardest_clips: int = Field(10, ge=0)  # how many of the clips that most models get wrong are shown
    ablation: str | None = Field(None, pattern="^[0-9a-f]{16}$")  # digest of the tables of `microfacial ablate` to show


@dataclass(frozen=True, kw_only=True)
class Result:
    """All that is known of one trained model.

    `against_reference` compares it with `BASELINE`, `against_best` with the best simple model; neither is there for
    that model itself, nor where none was trained. `oracle` is the UF1 that it would have claimed; it is never ranked
    by. `settings` are those that it was trained with, by section of params.yaml.
    """

    evaluation: Evaluation
    predictions: Predictions
    curves: Mapping[str, History] = field(default_factory=dict)
    importances: Importances | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    against_reference: Comparison | None = None
    against_best: Comparison | None = None
    oracle: float | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.evaluation.model


def rank(results: Sequence[Result]) -> list[Result]:
    """Best UF1 first, ties by name."""
    return sorted(results, key=lambda result: (-result.evaluation.overall.uf1, result.model))


def best_simple(evaluations: Sequence[Evaluation]) -> str | None:
    """The simple model with the best UF1, ties by name; None if there is none.

    It is chosen by the very scores that are compared with it, which favours it.
    """
    simple = [found for found in evaluations if found.model in SIMPLE]
    best = min(simple, key=lambda found: (-found.overall.uf1, found.model), default=None)
    return best.model if best else None


# --- in words ---------------------------------------------------------------------------------------------------------


def say_what_was_found(results: Sequence[Result]) -> str:
    """The outcome in one sentence, which claims no more than the intervals of the differences allow."""
    compared = [result for result in rank(results) if result.against_best and result.model not in SIMPLE]
    first = rank(results)[0]
    if not compared or not compared[0].against_best:
        return (
            f"{first.model} has the highest UF1, {first.evaluation.overall.uf1:.3f}; "
            "with no network beside a simple model there is nothing to tell apart."
        )
    baseline = compared[0].against_best.baseline
    better = [result for result in compared if _tells(result, 1)]
    worse = [result for result in compared if _tells(result, -1)]
    alike = len(compared) - len(better) - len(worse)
    simple = f"the best simple model, {baseline}"
    if not better and not worse:
        return f"No network can be told from {simple}, by UF1."
    if not better and not alike:
        return f"No network is as good as {simple}, by UF1."
    if not better:
        return f"No network is better than {simple}, beyond doubt{_add(alike, worse)}."
    gains = ", ".join(f"{one.model} ({one.against_best.uf1_difference:+.3f})" for one in better if one.against_best)
    verb, intervals = "is" if len(better) == 1 else "are", _intervals(len(better), len(compared))
    return f"{gains} {verb} better than {simple}, in UF1, by {intervals}{_add(alike, worse)}."


def _intervals(better: int, compared: int) -> str:
    """How much looking the claim rests on: of many intervals some exclude zero by chance."""
    if compared == 1:
        return "its 95 % interval"
    return f"{_count(better)} of {_count(compared)} uncorrected 95 % intervals"


def _add(alike: int, worse: Sequence[Result]) -> str:
    """What is to be said of the other networks."""
    parts = []
    if alike:
        parts.append(f"{_count(alike)} {'network' if alike == 1 else 'networks'} cannot be told from it")
    if worse:
        parts.append(f"{', '.join(one.model for one in worse)} {'is' if len(worse) == 1 else 'are'} worse")
    return f"; {', and '.join(parts)}" if parts else ""


def _count(number: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[number] if number < len(words) else str(number)


def _tells(result: Result, sign: int) -> bool:
    found = result.against_best
    return found is not None and found.tells_apart and found.uf1_difference * sign > 0


# --- for DVC ----------------------------------------------------------------------------------------------------------


def summarise(results: Sequence[Result]) -> dict[str, Any]:
    """Scores of every model, rounded to four digits, best UF1 first, and the note that they share."""
    shared = results[0].evaluation
    return {
        "note": shared.note,
        "protocol": shared.protocol,
        "repeats": shared.repeats,
        "models": {result.model: _summarise_one(result) for result in rank(results)},
    }


def _summarise_one(result: Result) -> dict[str, Any]:
    evaluation = result.evaluation
    return {
        "uf1": _rounded(evaluation.overall.uf1),
        "uf1_interval": [_rounded(edge) for edge in evaluation.uf1_interval],
        "uf1_sd": _rounded(evaluation.uf1_sd),
        "uar": _rounded(evaluation.overall.uar),
        "uar_interval": [_rounded(edge) for edge in evaluation.uar_interval],
        "uar_sd": _rounded(evaluation.uar_sd),
        "accuracy": _rounded(evaluation.overall.accuracy),
        "ece": _rounded(evaluation.ece),
        "mean_over_folds_uf1": _rounded(evaluation.mean_over_folds_uf1),
        "mean_over_folds_uar": _rounded(evaluation.mean_over_folds_uar),
        "mean_over_folds_accuracy": _rounded(evaluation.mean_over_folds_accuracy),
        "clips": evaluation.overall.clips,
        "subjects": evaluation.overall.subjects,
        "corpora": {
            corpus: {"uf1": _rounded(score.uf1), "uar": _rounded(score.uar), "clips": score.clips}
            for corpus, score in evaluation.corpora.items()
        },
        **_summarise_comparison(result.against_reference),
    }


def _summarise_comparison(found: Comparison | None) -> Mapping[str, Any]:
    if found is None:
        return {}
    return {
        f"against_{found.baseline}": {
            "uf1_difference": _rounded(found.uf1_difference),
            "interval": [_rounded(edge) for edge in found.uf1_interval],
            "p": _rounded(found.mcnemar_p),
        }
    }


def _rounded(value: float) -> float:
    return round(value, _DIGITS)
