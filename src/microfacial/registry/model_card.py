"""Write a model card: the origin of a registered version, its measured scores, and its limits.

Every number in the card comes from a file that the pipeline wrote.

Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, doi:10.1145/3287560.3287596.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microfacial.records import PROTOCOL_NAMES, Clip, Comparison, Evaluation, is_synthetic
from microfacial.registry.evidence import UntunedScore

_BUNDLES = {
    "refit": "one model, fitted on all subjects with the settings that the protocol evaluated",
    "ensemble": "the models of all folds; their probabilities are averaged",
}
_GATED = (
    "the authors grant access for research only, under a licence that each user signs; do not pass on frames or "
    "anything derived from them"
)
_SYNTHETIC = "synthetic, drawn from one public-domain photograph by NASA; free to use, but no measure of accuracy"
_LIMITS = """\
- The scores measure the training procedure on people who were not in the training data. The registered model itself was
  trained on every subject, so there are no clips left to test it on.
- The scores hold for recordings like those above: posed or elicited in a laboratory, frontal, at a high frame rate.
  Other cameras, light, head turns, ages and skin tones were not measured.
- Onset and apex are given or spotted. The scores are for annotated ones. A misplaced apex costs accuracy.
- Every clip is assigned one of the classes, even if it shows none of them.
- The score of a class with few clips is uncertain, even if the mean over classes is high."""
_MISUSE = """\
A micro-expression is a brief movement of the face. It does not prove an emotion or a lie. This model is **no lie
detector**. Do not use it to decide about a person, or to support such a decision: not in hiring or at work, not at a
border, in court, in school or by the police. Do not run it on people who did not agree to it."""


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """The facts in a model card, besides the scores.

    Attributes:
        model: name of the variant.
        dataset: name of the data set.
        scheme: name of the label scheme.
        bundle: `refit` or `ensemble`.
        tuned_on: subjects whose clips a study used to choose the settings.
        study: name of the study. None without a study.
        untuned: score on the subjects that the study did not use. None without a study or without such subjects.
        versions: commit, data, flow and packages, by name.
    """

    model: str
    dataset: str
    scheme: str
    bundle: str
    tuned_on: tuple[str, ...]
    study: str | None
    untuned: UntunedScore | None
    versions: Mapping[str, str]


def write_card(
    facts: CardFacts, evaluation: Evaluation, clips: Sequence[Clip], against_baseline: Comparison | None
) -> str:
    """Return the model card of a version as Markdown.

    Args:
        facts: the facts besides the scores.
        evaluation: the scores of the protocol.
        clips: the clips of the data set.
        against_baseline: the comparison with the baseline. None if there is none.
    """
    note = [f"**{evaluation.note}**"] if evaluation.note else []
    comparison = [_describe_difference(against_baseline)] if against_baseline else []
    return "\n\n".join(
        [
            f"# {facts.model} on {facts.dataset}, {facts.scheme}",
            *note,
            f"Classes: {', '.join(evaluation.classes)}. The bundle holds {_BUNDLES[facts.bundle]}.",
            f"## Scores\n\n{_describe_scores(evaluation)}",
            *comparison,
            f"The expected calibration error of the protocol's probabilities is {evaluation.ece:.3f}. This is how far "
            "they are off on average. Answers about films correct them with the temperature in the bundle, if that "
            "helps on held-out subjects.",
            f"## Tuning\n\n{_describe_tuning(facts)}",
            f"## Data\n\n{_tabulate_clips(clips, evaluation.classes)}",
            f"## Limits\n\n{_LIMITS}",
            f"## Not for\n\n{_MISUSE}",
            f"## Licence of the data\n\n{_list_licences(clips)}",
            "## Versions\n\n" + "\n".join(f"- {name}: {value}" for name, value in facts.versions.items()),
        ]
    )


def _describe_scores(evaluation: Evaluation) -> str:
    """Return the protocol and a table of scores, overall and for each corpus."""
    several = evaluation.repeats > 1
    repetitions = f", {evaluation.repeats} repetitions" if several else ""
    protocol = PROTOCOL_NAMES[evaluation.protocol]
    uf1, uar, overall = evaluation.uf1_interval, evaluation.uar_interval, evaluation.overall
    rows = [
        "| | UF1 | 95 % | UAR | 95 % | accuracy | clips | subjects |",
        "|---|---|---|---|---|---|---|---|",
        f"| overall | {overall.uf1:.3f} | {uf1[0]:.3f}–{uf1[1]:.3f} | {overall.uar:.3f} | {uar[0]:.3f}–{uar[1]:.3f} "
        f"| {overall.accuracy:.3f} | {overall.clips} | {overall.subjects} |",
        *(
            f"| {corpus} | {score.uf1:.3f} | | {score.uar:.3f} | | {score.accuracy:.3f} | {score.clips} "
            f"| {score.subjects} |"
            for corpus, score in evaluation.corpora.items()
        ),
    ]
    parts = [
        f"Protocol: {protocol}{repetitions}. Scores are pooled over folds. Intervals come from draws of subjects.",
        "\n".join(rows),
    ]
    if several:
        parts.append(f"Standard deviation over repetitions: UF1 {evaluation.uf1_sd:.3f}, UAR {evaluation.uar_sd:.3f}.")
    return "\n\n".join(parts)


def _describe_difference(comparison: Comparison) -> str:
    low, high = comparison.uf1_interval
    conclusion = "differs from zero" if comparison.tells_apart else "may be zero"
    return (
        f"Against {comparison.baseline}, on the same clips: UF1 {comparison.uf1_difference:+.3f} (95 % {low:+.3f} to "
        f"{high:+.3f}). This difference {conclusion}."
    )


def _describe_tuning(facts: CardFacts) -> str:
    if facts.study is None:
        return "No study chose the settings. They were set by hand, or are the defaults."
    tuning = (
        f"The study `{facts.study}` chose the settings on {len(facts.tuned_on)} subjects: {', '.join(facts.tuned_on)}."
    )
    if facts.untuned is None:
        return f"{tuning} The study used every subject of the evaluation."
    return (
        f"{tuning} The scores above include them. On the {facts.untuned.subjects} subjects that the study did not use "
        f"({facts.untuned.clips} clips), UF1 is {facts.untuned.uf1:.3f}."
    )


def _tabulate_clips(clips: Sequence[Clip], classes: Sequence[str]) -> str:
    """Return a table with the number of clips of each class, one row for each corpus."""
    counts = Counter((clip.corpus, clip.label) for clip in clips)
    subjects = {corpus: len({clip.person for clip in clips if clip.corpus == corpus}) for corpus, _ in counts}
    rows = [
        "| corpus | subjects | " + " | ".join(classes) + " |",
        "|---" * (2 + len(classes)) + "|",
        *(
            f"| {corpus} | {subjects[corpus]} | " + " | ".join(str(counts[corpus, label]) for label in classes) + " |"
            for corpus in sorted(subjects)
        ),
    ]
    return "\n".join(rows)


def _list_licences(clips: Sequence[Clip]) -> str:
    corpora = sorted({clip.corpus for clip in clips})
    return "\n".join(f"- {name}: {_SYNTHETIC if is_synthetic(name) else _GATED}." for name in corpora)
