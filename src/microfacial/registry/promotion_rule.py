"""When a challenger becomes the champion: rules on what two procedures predicted for the same clips.

Both sides are judged on subjects whose clips had no say in either's settings. Scores are those of the protocol, so of
the procedure that made a version: the packed model itself has seen every subject, and no clip is left to score it on.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from microfacial.errors import ProtocolError
from microfacial.evaluation.significance import bound_difference, count_by_subject
from microfacial.inference.example_input import Cost
from microfacial.metrics import uf1
from microfacial.records import Predictions
from microfacial.settings import Section

_CLEARLY = 0.8  # of the champion's: what counts as smaller or faster; less may be chance


class RegistryConfig(Section):
    """The `registry` section of params.yaml, which may be absent: what is packed, and the rule of promotion."""

    pack: Literal["refit", "ensemble"] = "refit"
    margin: float = Field(0.0, gt=-1, lt=1)  # what the lower bound of the difference in UF1 must reach
    confidence: float = Field(0.9, gt=0.5, lt=1)  # of that bound, which is one-sided
    latency_ratio: float = Field(1.5, gt=0)  # a challenger may take so many times as long for a clip
    size_ratio: float = Field(100.0, gt=0)  # and its weights be so many times as large
    fewest_subjects: int = Field(5, ge=2)  # that neither side was tuned on


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a version's procedure predicted under the protocol, and on which data.

    `data` is the digest of clips, labels and frames; `tuned_on` are the subjects whose clips had a say in its settings.
    `name` says in messages whose evidence it is.
    """

    name: str
    dataset: str
    scheme: str
    data: str
    tuned_on: tuple[str, ...]
    predictions: Predictions


@dataclass(frozen=True, kw_only=True)
class EvidenceComparison:
    """A challenger against a champion on the subjects that neither was tuned on.

    `lower` is the one-sided lower bound of `difference`, the challenger's UF1 minus the champion's.
    """

    challenger_uf1: float
    champion_uf1: float
    difference: float
    lower: float
    subjects: int
    clips: int


@dataclass(frozen=True, kw_only=True)
class PromotionDecision:
    """Whether a challenger passes, and why, a sentence each."""

    passes: bool
    because: tuple[str, ...]


def compare_evidence(
    challenger: Evidence, champion: Evidence, config: RegistryConfig, *, draws: int, seed: int
) -> EvidenceComparison:
    """Compare two versions clip by clip where neither was tuned.

    Raises:
        ProtocolError: their evidence differs in more than predictions, or too few subjects are left.
    """
    require_alike(challenger, champion)
    ours, theirs = _restrict(challenger, champion, config.fewest_subjects)
    difference, lower = bound_difference(ours, theirs, draws, seed, config.confidence)
    own, other = (_pooled_uf1(found) for found in (ours, theirs))
    return EvidenceComparison(
        challenger_uf1=own,
        champion_uf1=other,
        difference=difference,
        lower=lower,
        subjects=len(np.unique(ours.subjects)),
        clips=len(ours.clips),
    )


def decide_promotion(
    found: EvidenceComparison, challenger: Cost, champion: Cost, config: RegistryConfig
) -> PromotionDecision:
    """Apply the rule: the lower bound reaches the margin, and the challenger costs no more than it may.

    A challenger that is not shown to be better, because the margin is negative or the two predict the same, must be
    clearly smaller or faster: to change champions for nothing is no progress.
    """
    faults, merits = [], [f"UF1 {found.difference:+.3f}, lower bound {found.lower:+.3f} (margin {config.margin:+.3f})"]
    if found.lower < config.margin:
        faults.append(
            f"the lower bound of the difference in UF1 is {found.lower:+.3f}, below the margin {config.margin:+.3f}"
        )
    if found.lower < 0 or found.difference <= 0:
        gain = _gain(challenger, champion)
        merits.extend(gain)
        if not gain:
            faults.append(
                "it is not shown to be better, and so must be clearly smaller or faster: at most "
                f"{_CLEARLY:g} times the champion's size or time"
            )
    faults.extend(_excess(challenger, champion, config))
    return PromotionDecision(passes=not faults, because=tuple(faults or merits))


def decide_first_promotion(challenger: Evidence, baseline: Evidence, config: RegistryConfig) -> PromotionDecision:
    """Whether a first champion beats the baseline: by pooled UF1 on the subjects that neither was tuned on.

    The plain score, for there is no champion to be replaced wrongly; a tie beats nothing.

    Raises:
        ProtocolError: as `compare_evidence`.
    """
    require_alike(challenger, baseline)
    ours, theirs = _restrict(challenger, baseline, config.fewest_subjects)
    own, bar = _pooled_uf1(ours), _pooled_uf1(theirs)
    beats = own > bar
    return PromotionDecision(
        passes=beats,
        because=(f"UF1 {own:.3f} {'beats' if beats else 'does not beat'} {bar:.3f} of {baseline.name}",),
    )


def score_untouched(evidence: Evidence) -> tuple[float, int, int] | None:
    """UF1 on the subjects that tuning never saw, how many they are, and how many clips; None where none are left."""
    left = sorted(set(evidence.predictions.subjects.tolist()) - set(evidence.tuned_on))
    if not left:
        return None
    found = evidence.predictions.of_subjects(left)
    return _pooled_uf1(found), len(left), len(found.clips)


def require_alike(challenger: Evidence, champion: Evidence) -> None:
    """Refuse to compare what was not evaluated alike.

    Raises:
        ProtocolError: data, protocol, scheme, clips, labels or classes differ; the message names each with both values.
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
    faults = [f"{what} ({own} and {other})" for what, (own, other) in values.items() if own != other]
    if not faults and not np.array_equal(ours.clips, theirs.clips):
        faults.append("clips")
    if not faults and not np.array_equal(ours.truth, theirs.truth):
        faults.append("labels")
    if faults:
        raise ProtocolError(
            f"{challenger.name} and {champion.name} cannot be compared: they differ in {', '.join(faults)}. "
            "Train and register the champion's model again on the same data, or promote by --force with a reason"
        )


def _restrict(challenger: Evidence, champion: Evidence, fewest: int) -> tuple[Predictions, Predictions]:
    """Both sides' predictions for the subjects that neither was tuned on."""
    tuned = {*challenger.tuned_on, *champion.tuned_on}
    subjects = challenger.predictions.subjects
    left = sorted(set(subjects.tolist()) - tuned)
    if len(left) < fewest:
        raise ProtocolError(
            f"{challenger.name} and {champion.name}: only {len(left)} subjects are left that neither was tuned on, and "
            f"registry.fewest_subjects is {fewest}. Tune on fewer, or promote by --force with a reason"
        )
    return challenger.predictions.of_subjects(left), champion.predictions.of_subjects(left)


def _pooled_uf1(found: Predictions) -> float:
    """UF1 pooled over folds, averaged over repetitions."""
    return float(uf1(count_by_subject(found).sum(axis=1)).mean())


def _gain(challenger: Cost, champion: Cost) -> list[str]:
    """In what the challenger is clearly cheaper."""
    ratios = {
        "smaller": challenger.size / champion.size,
        "faster": challenger.seconds / champion.seconds,
    }
    return [f"{word}: {ratio:.2f} times the champion's" for word, ratio in ratios.items() if ratio <= _CLEARLY]


def _excess(challenger: Cost, champion: Cost, config: RegistryConfig) -> list[str]:
    """In what the challenger costs more than it may."""
    limits = {
        "latency": (challenger.seconds / champion.seconds, config.latency_ratio),
        "size": (challenger.size / champion.size, config.size_ratio),
    }
    return [
        f"{what} is {ratio:.2f} times the champion's, more than registry.{what}_ratio {limit:g}"
        for what, (ratio, limit) in limits.items()
        if ratio > limit
    ]
