"""The rule that decides whether a challenger becomes the champion. It compares predictions for the same clips.

Only subjects that neither side was tuned on count. The scores are those of the training procedures under the protocol:
the registered models themselves were trained on every subject, so there are no clips left to test them on.
"""

from dataclasses import dataclass

import numpy as np

from microfacial.errors import ProtocolError
from microfacial.evaluation.significance import bound_difference
from microfacial.inference.cost import Cost
from microfacial.records import Predictions
from microfacial.registry.evidence import Evidence, pooled_uf1
from microfacial.registry.settings import RegistryConfig

_CLEARLY_LESS = 0.8  # of the champion's size or time; a smaller saving may be chance


@dataclass(frozen=True, kw_only=True)
class EvidenceComparison:
    """A comparison of a challenger with a champion, on the subjects that neither was tuned on.

    Attributes:
        challenger_uf1: pooled UF1 of the challenger.
        champion_uf1: pooled UF1 of the champion.
        difference: UF1 of the challenger minus UF1 of the champion.
        lower: one-sided lower bound of `difference`.
        subjects: number of subjects.
        clips: number of clips.
    """

    challenger_uf1: float
    champion_uf1: float
    difference: float
    lower: float
    subjects: int
    clips: int


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """The result of the rule for one challenger.

    Attributes:
        passes: whether the challenger may become the champion.
        reasons: why it passes or fails, one sentence each.
    """

    passes: bool
    reasons: tuple[str, ...]


def compare_evidence(
    challenger: Evidence, champion: Evidence, config: RegistryConfig, *, draws: int, seed: int
) -> EvidenceComparison:
    """Compare two versions clip by clip, on the subjects that neither was tuned on.

    Args:
        challenger: evidence of the challenger.
        champion: evidence of the champion.
        config: the section `registry` of params.yaml.
        draws: number of bootstrap draws of subjects.
        seed: seed of the draws.

    Returns:
        Both scores, and their difference with its lower bound.

    Raises:
        ProtocolError: the two were evaluated on different data or by different protocols, or too few subjects remain.
    """
    require_comparable(challenger, champion)
    challenger_predictions, champion_predictions = _restrict(challenger, champion, config.min_subjects)
    difference, lower = bound_difference(challenger_predictions, champion_predictions, draws, seed, config.confidence)
    return EvidenceComparison(
        challenger_uf1=pooled_uf1(challenger_predictions),
        champion_uf1=pooled_uf1(champion_predictions),
        difference=difference,
        lower=lower,
        subjects=len(np.unique(challenger_predictions.subjects)),
        clips=len(challenger_predictions.clips),
    )


def apply_promotion_rule(
    comparison: EvidenceComparison, challenger: Cost, champion: Cost, config: RegistryConfig
) -> RuleResult:
    """Decide whether a challenger passes.

    The lower bound of the difference must reach the margin, and the challenger must not cost more than allowed. A
    challenger may lack proof that it is better, because the margin is negative or both predict the same. Its weights or
    its time must then be at most `_CLEARLY_LESS` times the champion's, because a change of champions needs a benefit.

    Args:
        comparison: the scores of both.
        challenger: cost of the challenger.
        champion: cost of the champion.
        config: the section `registry` of params.yaml.

    Returns:
        Whether the challenger passes, and the reasons.
    """
    objections: list[str] = []
    benefits = [f"UF1 {comparison.difference:+.3f}, lower bound {comparison.lower:+.3f} (margin {config.margin:+.3f})"]
    if comparison.lower < config.margin:
        objections.append(
            f"the lower bound of the difference in UF1 is {comparison.lower:+.3f}, below the margin "
            f"{config.margin:+.3f}"
        )
    if comparison.lower < 0 or comparison.difference <= 0:
        savings = _find_savings(challenger, champion)
        benefits.extend(savings)
        if not savings:
            objections.append(
                "it is not shown to be better, so it must be clearly smaller or faster: at most "
                f"{_CLEARLY_LESS:g} times the champion's size or time"
            )
    objections.extend(_find_excess(challenger, champion, config))
    return RuleResult(passes=not objections, reasons=tuple(objections or benefits))


def apply_first_champion_rule(challenger: Evidence, baseline: Evidence, config: RegistryConfig) -> RuleResult:
    """Decide whether a first champion beats the baseline in pooled UF1, on subjects that neither was tuned on.

    The rule needs no lower bound, because it cannot replace a champion by mistake. A tie fails.

    Args:
        challenger: evidence of the challenger.
        baseline: evidence of the baseline.
        config: the section `registry` of params.yaml.

    Returns:
        Whether the challenger passes, and the reason.

    Raises:
        ProtocolError: the two cannot be compared; see `compare_evidence`.
    """
    require_comparable(challenger, baseline)
    challenger_uf1, baseline_uf1 = map(pooled_uf1, _restrict(challenger, baseline, config.min_subjects))
    passes = challenger_uf1 > baseline_uf1
    verb = "beats" if passes else "does not beat"
    return RuleResult(
        passes=passes, reasons=(f"UF1 {challenger_uf1:.3f} {verb} UF1 {baseline_uf1:.3f} of {baseline.name}",)
    )


def require_comparable(challenger: Evidence, champion: Evidence) -> None:
    """Check that two versions were evaluated on the same clips in the same way.

    Args:
        challenger: evidence of the challenger.
        champion: evidence of the champion.

    Raises:
        ProtocolError: data, protocol, scheme, clips, labels or classes differ. The message names each with both values.
    """
    ours, theirs = challenger.predictions, champion.predictions
    values = {
        "data set": (challenger.dataset, champion.dataset),
        "scheme": (challenger.scheme, champion.scheme),
        "data": (challenger.data, champion.data),
        "protocol": (ours.protocol, theirs.protocol),
        "classes": (", ".join(ours.classes), ", ".join(theirs.classes)),
        "number of clips": (len(ours.clips), len(theirs.clips)),
    }
    differences = [f"{name} ({first} and {second})" for name, (first, second) in values.items() if first != second]
    if not differences and not np.array_equal(ours.clips, theirs.clips):
        differences.append("clips")
    if not differences and not np.array_equal(ours.truth, theirs.truth):
        differences.append("labels")
    if differences:
        raise ProtocolError(
            f"{challenger.name} and {champion.name} cannot be compared: they differ in {', '.join(differences)}. "
            "Train the challenger's model as the champion was evaluated and register it, or run `microfacial promote "
            "--force REASON`"
        )


def _restrict(challenger: Evidence, champion: Evidence, min_subjects: int) -> tuple[Predictions, Predictions]:
    """Return the predictions of both sides for the subjects that neither was tuned on."""
    tuned_on = {*challenger.tuned_on, *champion.tuned_on}
    subjects = sorted(set(challenger.predictions.subjects.tolist()) - tuned_on)
    if len(subjects) < min_subjects:
        names = f"{challenger.name} and {champion.name}"
        raise ProtocolError(
            f"{names}: only {len(subjects)} subjects remain on which neither was tuned. registry.min_subjects requires "
            f"{min_subjects}. Tune on fewer subjects, or promote with --force and a reason"
        )
    return challenger.predictions.of_subjects(subjects), champion.predictions.of_subjects(subjects)


def _find_savings(challenger: Cost, champion: Cost) -> list[str]:
    """Describe each cost of the challenger that is at most `_CLEARLY_LESS` times the champion's, in words."""
    ratios = {
        "smaller": challenger.size / champion.size,
        "faster": challenger.seconds / champion.seconds,
    }
    return [f"{word}: {ratio:.2f} times the champion's" for word, ratio in ratios.items() if ratio <= _CLEARLY_LESS]


def _find_excess(challenger: Cost, champion: Cost, config: RegistryConfig) -> list[str]:
    """Describe each cost of the challenger that is above its limit in the section `registry`, in words."""
    limits = {
        "latency": (challenger.seconds / champion.seconds, config.latency_ratio),
        "size": (challenger.size / champion.size, config.size_ratio),
    }
    return [
        f"{name} is {ratio:.2f} times the champion's, more than registry.{name}_ratio {limit:g}"
        for name, (ratio, limit) in limits.items()
        if ratio > limit
    ]
