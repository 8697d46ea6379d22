"""How a corpus annotates: whether it has apexes, and how long its clips last.

Corpora differ. SMIC annotates no apex. Half of the clips of CAS(ME)^3 are longer than the longest micro-expression of
the literature. What holds for a whole corpus is worth one remark and not one per clip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from microfacial.datasets.annotations import Annotation, AnnotationRow
from microfacial.records import Clip

_MAX_DURATION_S = 0.5  # of a micro-expression: Yan et al. 2013, doi:10.1007/s10919-013-0159-8
_MAX_MACRO_DURATION_S = 4.0  # of any expression: Ekman, Emotions Revealed, 2003
_OUTLIER = 3  # times the median of the corpus
SEARCH_APEX = "Set clips.missing_apex: spotted to search for the apex between onset and offset"
"""Remedy for a clip whose apex is missing or impossible."""


@dataclass(frozen=True, kw_only=True)
class Habits:
    """Facts about all rows of a release.

    Attributes:
        has_apexes: whether any row has an apex.
        median_s: median duration of a clip, in seconds. 0 without clips.
    """

    has_apexes: bool
    median_s: float

    @property
    def midpoint_cause(self) -> str:
        """Text for all clips with the midpoint as apex. Empty if some rows have an apex."""
        return "" if self.has_apexes else f"the release has no apexes, took the midpoint of each clip. {SEARCH_APEX}"

    def judge_duration(self, clip: Clip) -> Iterator[tuple[str, str]]:
        """Yield a text about a clip that lasts long, and a text for all clips with the same cause.

        A clip is an outlier if it is longer than any expression, or than three times the median of the release. The
        text for all such clips is empty, because each is suspicious by itself.

        Args:
            clip: clip of the release.
        """
        seconds = (clip.offset - clip.onset) / clip.fps if clip.fps else 0.0
        limit = min(max(_MAX_DURATION_S, _OUTLIER * self.median_s), _MAX_MACRO_DURATION_S)
        if seconds > limit:
            yield f"lasts {seconds:.2f} s, which is improbable (the median of the release is {self.median_s:.2f} s)", ""
        elif seconds > _MAX_DURATION_S:
            yield (
                f"lasts {seconds:.2f} s, longer than a micro-expression ({_MAX_DURATION_S} s)",
                f"last longer than a micro-expression ({_MAX_DURATION_S} s), but at most {limit:.1f} s. The median of "
                f"the release is {self.median_s:.2f} s",
            )


def observe_habits(rows: Sequence[AnnotationRow]) -> Habits:
    """Return the facts about the rows of a release.

    Args:
        rows: all rows. Those without a duration are ignored.
    """
    annotations = [row for row in rows if isinstance(row, Annotation)]
    durations = [(row.offset - row.onset) / row.fps for row in annotations if row.offset > row.onset]
    return Habits(
        has_apexes=any(row.apex is not None for row in annotations), median_s=median(durations) if durations else 0.0
    )
