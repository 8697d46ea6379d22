"""A model card: what a registered version was made of, what was measured, and what it must not be used for.

Every number in it is one that the pipeline wrote; nothing is claimed that was not measured.

Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, doi:10.1145/3287560.3287596.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microfacial.records import PROTOCOL_NAMES, Clip, Comparison, Evaluation, is_synthetic

_PACKS = {
    "refit": "fitted once more on all subjects, with the settings that the protocol evaluated",
    "ensemble": "the models of all folds, whose probabilities are averaged",
}
_GATED = (
    "granted by its authors for research under a licence that each user signs; neither frames nor what is derived from "
    "them may be passed on"
)
_SYNTHETIC = "synthetic, drawn from one public-domain photograph of NASA: free to use, and no measure of accuracy"
_LIMITS = """\
- The scores are those of the procedure on people that it had not seen. The packed model itself has seen every subject,
  so that no clip is left to score it on.
- They hold for recordings like those above: posed or elicited in a laboratory, frontal, at a high frame rate. Other
  cameras, light, head turns, ages and skin tones were not measured.
- Onset and apex are given or spotted. Scores are for annotated ones; a misplaced apex costs accuracy.
- Every clip gets one of the classes, also one that shows none of them.
- A class with few clips is known badly, whatever the mean says."""
_MISUSE = """\
A micro-expression is a brief movement of the face. It is no proof of an emotion, let alone of a lie. This model is **no
lie detector**. It must not decide about a person, or help to: not in hiring or at work, not at a border, not in court,
in school or by the police; and it must not be run on people who did not agree to it."""


@dataclass(frozen=True, kw_only=True)
class Untouched:
    """UF1 on the subjects that no tuning ever saw."""

    uf1: float
    subjects: int
    clips: int


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card tells beside scores. `study` and `untouched` are None where nothing was tuned.

    `versions` has commit, data and packages, by name.
    """

    model: str
    dataset: str
    scheme: str
    pack: str
    tuned_on: tuple[str, ...]
    study: str | None
    untouched: Untouched | None
    versions: Mapping[str, str]


def write_card(
    facts: CardFacts, evaluation: Evaluation, clips: Sequence[Clip], against_baseline: Comparison | None
) -> str:
    """The card of a version, as Markdown."""
    note = [f"**{evaluation.note}**"] if evaluation.note else []
    return "\n\n".join(
        [
            f"# {facts.model} on {facts.dataset}, {facts.scheme}",
            *note,
            f"Classes: {', '.join(evaluation.classes)}. The model is {_PACKS[facts.pack]}.",
            f"## Scores\n\n{_scores(evaluation)}",
            *_comparison(against_baseline),
            _calibration(evaluation),
            f"## Tuning\n\n{_tuning(facts)}",
            f"## Data\n\n{_data(clips, evaluation.classes)}",
            f"## Limits\n\n{_LIMITS}",
            f"## Not for\n\n{_MISUSE}",
            f"## Licence of the data\n\n{_licences(clips)}",
            "## Versions\n\n" + "\n".join(f"- {name}: {value}" for name, value in facts.versions.items()),
        ]
    )


def _scores(evaluation: Evaluation) -> str:
    """Pooled scores, overall and per corpus."""
    several = f", {evaluation.repeats} repetitions" if evaluation.repeats > 1 else ""
    spread = (
        [f"Standard deviation over repetitions: UF1 {evaluation.uf1_sd:.3f}, UAR {evaluation.uar_sd:.3f}."]
        if evaluation.repeats > 1
        else []
    )
    low, high = evaluation.uf1_interval, evaluation.uar_interval
    rows = [
        "| | UF1 | 95 % | UAR | 95 % | accuracy | clips | subjects |",
        "|---|---|---|---|---|---|---|---|",
        f"| overall | {evaluation.overall.uf1:.3f} | {low[0]:.3f}–{low[1]:.3f} | {evaluation.overall.uar:.3f} "
        f"| {high[0]:.3f}–{high[1]:.3f} | {evaluation.overall.accuracy:.3f} | {evaluation.overall.clips} "
        f"| {evaluation.overall.subjects} |",
        *(
            f"| {corpus} | {score.uf1:.3f} | | {score.uar:.3f} | | {score.accuracy:.3f} | {score.clips} "
            f"| {score.subjects} |"
            for corpus, score in evaluation.corpora.items()
        ),
    ]
    protocol = f"Protocol: {PROTOCOL_NAMES[evaluation.protocol]}{several}; pooled over folds; intervals draw subjects."
    return "\n\n".join([protocol, "\n".join(rows), *spread])


def _comparison(found: Comparison | None) -> list[str]:
    if found is None:
        return []
    low, high = found.uf1_interval
    told = "can" if found.tells_apart else "cannot"
    return [
        f"Against {found.baseline}, on the same clips: UF1 {found.uf1_difference:+.3f} (95 % {low:+.3f} to "
        f"{high:+.3f}), which {told} be told from zero."
    ]


def _calibration(evaluation: Evaluation) -> str:
    return (
        f"Expected calibration error of the protocol's probabilities: {evaluation.ece:.3f}, by which they are off on "
        "average. They were not corrected."
    )


def _tuning(facts: CardFacts) -> str:
    if facts.study is None:
        return "No study chose the settings: they were set by hand, or are the defaults."
    said = (
        f"The study `{facts.study}` chose the settings on {len(facts.tuned_on)} subjects: {', '.join(facts.tuned_on)}."
    )
    if facts.untouched is None:
        return f"{said} No subject of the evaluation is left that tuning did not see."
    return (
        f"{said} The scores above include them. On the {facts.untouched.subjects} subjects that tuning never saw "
        f"({facts.untouched.clips} clips), UF1 is {facts.untouched.uf1:.3f}."
    )


def _data(clips: Sequence[Clip], classes: Sequence[str]) -> str:
    """Clips of each class, a row a corpus."""
    counts = Counter((clip.corpus, clip.label) for clip in clips)
    people = {corpus: len({clip.person for clip in clips if clip.corpus == corpus}) for corpus, _ in counts}
    rows = [
        "| corpus | subjects | " + " | ".join(classes) + " |",
        "|---" * (2 + len(classes)) + "|",
        *(
            f"| {corpus} | {people[corpus]} | " + " | ".join(str(counts[corpus, label]) for label in classes) + " |"
            for corpus in sorted(people)
        ),
    ]
    return "\n".join(rows)


def _licences(clips: Sequence[Clip]) -> str:
    corpora = sorted({clip.corpus for clip in clips})
    return "\n".join(f"- {name}: {_SYNTHETIC if is_synthetic(name) else _GATED}." for name in corpora)
