"""Corrections of published annotations, disagreements of public tables, and clips that a label scheme excludes.

A correction names corpus, subject and clip, not a row number. The clips of CAS(ME)^3 are named after video and onset. A
correction applies only if the sheet has the value that is known to be wrong, so a sheet that is already correct stays
unchanged.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

AnnotationField = Literal["onset", "apex", "offset", "emotion"]


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One corrected value of one clip.

    Attributes:
        corpus: corpus of the clip.
        subject: subject of the clip.
        clip: name of the clip, with the published numbers. `*` stands for a number that is not known.
        field: field of the annotation.
        wrong: value in the published sheet. None if it is known only that the onset is after the offset.
        right: correct value.
        reason: reason for the correction.
        source: public code or publication that has the correct value.
        others: other values in public tables and code.
        scheme: label scheme under which the correction applies; None for all schemes.
    """

    corpus: str
    subject: str
    clip: str
    field: AnnotationField
    wrong: int | str | None
    right: int | str
    reason: str
    source: str
    others: tuple[int | str, ...] = ()
    scheme: str | None = None

    def describe(self, published: int | str | None) -> str:
        """Return the correction in words, for the notes of the clip.

        Args:
            published: value in the published sheet.
        """
        others = f", other public tables have {' or '.join(map(str, self.others))}" if self.others else ""
        return f"{self.field} {published} corrected to {self.right}: {self.reason} ({self.source}{others})"


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A value on which public tables disagree, although each of their values is possible. The sheet is not changed.

    Attributes:
        corpus: corpus of the clip.
        subject: subject of the clip.
        clip: name of the clip.
        field: field of the annotation.
        values: values in public tables.
        source: public code that has the last of the values.
    """

    corpus: str
    subject: str
    clip: str
    field: AnnotationField
    values: tuple[int, ...]
    source: str

    @property
    def note(self) -> str:
        """The disagreement in words, for the notes of the clip."""
        return f"public tables disagree about the {self.field}: {' or '.join(map(str, self.values))} ({self.source})"


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


_MEB = "tvaranka/meb, meb/datasets/datasets.py"
_OUTSIDE = "the published apex lies outside of the clip"
_LABELS_OF_2014 = "MEGC2019 uses the labels of 2014, which a sheet of 2019 changed"


def _correct_samm(subject: str, clip: str, wrong: int, right: int, other: int) -> Correction:
    return Correction(
        corpus="samm",
        subject=subject,
        clip=clip,
        field="apex",
        wrong=wrong,
        right=right,
        reason=_OUTSIDE,
        source=_MEB,
        others=(other,),
    )


def _correct_casme3(
    subject: str,
    clip: str,
    field: AnnotationField,
    wrong: int | None,
    right: int,
    reason: str,
    others: tuple[int, ...] = (),
) -> Correction:
    return Correction(
        corpus="casme3",
        subject=subject,
        clip=clip,
        field=field,
        wrong=wrong,
        right=right,
        reason=reason,
        source=_MEB,
        others=others,
    )


def _correct_casme2(subject: str, clip: str) -> Correction:
    return Correction(
        corpus="casme2",
        subject=subject,
        clip=clip,
        field="emotion",
        wrong="surprise",
        right="sadness",
        reason=_LABELS_OF_2014,
        source="the sheet of 2014",
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
    _correct_casme3("spNO.149", "d_112", "apex", wrong=83, right=123, reason=_OUTSIDE, others=(160,)),
    _correct_casme3("spNO.214", "c_5", "offset", wrong=3460, right=34, reason="a clip of 115 s"),
    _correct_casme3("spNO.216", "d_*", "onset", wrong=None, right=2647, reason="the onset is after the offset"),
    _correct_casme3("spNO.216", "e_0", "onset", wrong=0, right=1, reason="frames count from 1"),
    _correct_casme3("spNO.216", "e_0", "apex", wrong=0, right=1, reason="frames count from 1"),
    _correct_casme3("spNO.40", "e_1812", "offset", wrong=0, right=1845, reason="the published table has no offset"),
    _correct_casme3("spNO.40", "e_2327", "offset", wrong=0, right=2403, reason="the published table has no offset"),
)
DISAGREEMENTS = (
    Disagreement(corpus="samm", subject="032", clip="032_3_2", field="apex", values=(5127, 5130), source=_MEB),
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
        if (correction.corpus, correction.subject) == (corpus, subject)
        and fnmatchcase(clip, correction.clip)
        and correction.scheme in (None, scheme)
    )


def find_disagreements(corpus: str, subject: str, clip: str) -> tuple[Disagreement, ...]:
    """Return the disagreements of public tables about a clip.

    Args:
        corpus: corpus of the clip.
        subject: subject of the clip.
        clip: name of the clip.
    """
    return tuple(
        entry for entry in DISAGREEMENTS if (entry.corpus, entry.subject, entry.clip) == (corpus, subject, clip)
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
