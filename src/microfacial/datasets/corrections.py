"""Corrections of published annotations, and clips that a label scheme excludes.

A correction names corpus, subject and clip, not a row number. It applies only if the sheet has the value that is known
to be wrong, so a sheet that is already correct stays unchanged. Public tables also disagree about the apex of SAMM
032_3_2 (5127 or 5130); both lie inside the clip, so the annotation stays. Corrections of CAS(ME)^3 are in `casme3`.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One corrected value of one clip.

    Attributes:
        corpus: corpus of the clip.
        subject: subject of the clip.
        clip: name of the clip.
        field: field of the annotation.
        wrong: value in the published sheet.
        right: correct value.
        reason: reason for the correction.
        scheme: label scheme under which the correction applies; None for all schemes.
    """

    corpus: str
    subject: str
    clip: str
    field: Literal["apex", "emotion"]
    wrong: int | str
    right: int | str
    reason: str
    scheme: str | None = None


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """One clip that a label scheme excludes by definition, whatever its emotion is.

    Attributes:
        corpus: corpus of the clip.
        subject: subject of the clip.
        clip: name of the clip.
        scheme: label scheme.
        reason: reason for the exclusion.
    """

    corpus: str
    subject: str
    clip: str
    scheme: str
    reason: str


_SAMM_APEX = "the annotated apex lies outside the clip; public tables have {} or {}"
_LABELS_OF_2014 = "MEGC2019 uses the labels of 2014, which a sheet of 2019 changed"


def _correct_samm(subject: str, clip: str, wrong: int, right: int, other: int) -> Correction:
    """Correct an apex. The right value is that of tvaranka/meb, meb/datasets/datasets.py."""
    reason = _SAMM_APEX.format(right, other)
    return Correction(corpus="samm", subject=subject, clip=clip, field="apex", wrong=wrong, right=right, reason=reason)


def _correct_casme2(subject: str, clip: str) -> Correction:
    return Correction(
        corpus="casme2",
        subject=subject,
        clip=clip,
        field="emotion",
        wrong="surprise",
        right="sadness",
        reason=_LABELS_OF_2014,
        scheme="megc2019-3",
    )


def _exclude_casme2(subject: str, clip: str, reason: str) -> Exclusion:
    return Exclusion(corpus="casme2", subject=subject, clip=clip, scheme="megc2019-3", reason=reason)


CORRECTIONS = (
    _correct_samm("028", "028_4_1", wrong=1143, right=1105, other=1124),
    _correct_samm("032", "032_3_1", wrong=1930, right=4945, other=4930),
    _correct_casme2("sub24", "EP07_01"),
    _correct_casme2("sub24", "EP07_04f"),
    _correct_casme2("sub24", "EP10_03"),
)
EXCLUSIONS = (
    _exclude_casme2("sub04", "EP12_01f", "not in the composite of MEGC2019; the sheet gives no apex"),
    _exclude_casme2("sub05", "EP09_05f", "not in the composite of MEGC2019; its apex is its onset"),
    _exclude_casme2("sub24", "EP02_07", "not in the composite of MEGC2019; absent from the public sheets"),
)


def find_corrections(corpus: str, subject: str, clip: str, scheme: str) -> tuple[Correction, ...]:
    """Return the corrections of a clip that apply under a label scheme.

    Args:
        corpus: corpus of the clip.
        subject: subject of the clip.
        clip: name of the clip.
        scheme: name of the label scheme. Empty for the corrections that apply under all schemes.
    """
    return tuple(
        correction
        for correction in CORRECTIONS
        if (correction.corpus, correction.subject, correction.clip) == (corpus, subject, clip)
        and correction.scheme in (None, scheme)
    )


def find_exclusion(corpus: str, subject: str, clip: str, scheme: str) -> Exclusion | None:
    """Return the exclusion of a clip from a label scheme, or None.

    Args:
        corpus: corpus of the clip.
        subject: subject of the clip.
        clip: name of the clip.
        scheme: name of the label scheme.
    """
    for exclusion in EXCLUSIONS:
        if (exclusion.corpus, exclusion.subject, exclusion.clip, exclusion.scheme) == (corpus, subject, clip, scheme):
            return exclusion
    return None
