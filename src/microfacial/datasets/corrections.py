"""Corrections of published annotations, in one table: what is corrected, from which value, and why.

A correction is found by corpus, subject and clip, never by its row, and is made only where the sheet has the value that
is known to be wrong, so that a sheet that has been corrected already stays as it is.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Patch:
    """One correction of one clip; under one scheme only if `scheme` names it."""

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
    """One clip that a scheme's definition leaves out, whatever its emotion."""

    corpus: str
    subject: str
    clip: str
    scheme: str
    reason: str


_SAMM_APEX = "the annotated apex lies outside the clip"
_LABELS_OF_2014 = "MEGC2019 uses the labels of 2014, which a sheet of 2019 changed"


def _samm(subject: str, clip: str, wrong: int, right: int) -> Patch:
    return Patch(corpus="samm", subject=subject, clip=clip, field="apex", wrong=wrong, right=right, reason=_SAMM_APEX)


def _casme2(subject: str, clip: str) -> Patch:
    return Patch(
        corpus="casme2",
        subject=subject,
        clip=clip,
        field="emotion",
        wrong="surprise",
        right="sadness",
        reason=_LABELS_OF_2014,
        scheme="megc2019-3",
    )


def _left_out(subject: str, clip: str, reason: str) -> Exclusion:
    return Exclusion(corpus="casme2", subject=subject, clip=clip, scheme="megc2019-3", reason=reason)


PATCHES = (
    _samm("028", "028_4_1", wrong=1143, right=1105),
    _samm("032", "032_3_1", wrong=1930, right=4945),
    _casme2("sub24", "EP07_01"),
    _casme2("sub24", "EP07_04f"),
    _casme2("sub24", "EP10_03"),
)
EXCLUSIONS = (
    _left_out("sub04", "EP12_01f", "not in the composite of MEGC2019; the sheet gives no apex"),
    _left_out("sub05", "EP09_05f", "not in the composite of MEGC2019; its apex is its onset"),
    _left_out("sub24", "EP02_07", "not in the composite of MEGC2019; absent from the public sheets"),
)


def find_patches(corpus: str, subject: str, clip: str, scheme: str) -> tuple[Patch, ...]:
    """Corrections of a clip that hold under a scheme."""
    return tuple(
        patch
        for patch in PATCHES
        if (patch.corpus, patch.subject, patch.clip) == (corpus, subject, clip) and patch.scheme in (None, scheme)
    )


def find_exclusion(corpus: str, subject: str, clip: str, scheme: str) -> Exclusion | None:
    """The exclusion of a clip from a scheme, or None."""
    wanted = (corpus, subject, clip, scheme)
    return next((one for one in EXCLUSIONS if (one.corpus, one.subject, one.clip, one.scheme) == wanted), None)
