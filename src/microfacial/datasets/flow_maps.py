"""Published optical-flow maps of the MEGC2019 composite, in the layout of the HTNet repository.

Layout: `<subject>/u_test/<label>/<clip> .png`, 28×28 px. The channels red, green and blue are horizontal flow, vertical
flow and strain of onset→apex, each stretched to 0–255 per image. Label 0 is negative, 1 positive and 2 surprise. The
form of a subject shows its corpus, such as `sub01` for CASME II. `u_train` repeats the same maps and is not read.

Source: github.com/wangzhifengharrison/HTNet; See et al., MEGC 2019, doi:10.1109/FG.2019.8756611.
"""

import re
from collections import Counter
from pathlib import Path

from microfacial.datasets.annotations import Annotation, AnnotationRow, FaultyRow, Release
from microfacial.datasets.cells import require_name, show_cell
from microfacial.datasets.label_schemes import MEGC2019_MAPS
from microfacial.errors import AbsentError, DatasetError
from microfacial.records import Clip

_COMPOSITE_CLIPS = {"casme2": 145, "smic": 164, "samm": 133}
_CORPUS_OF = {"sub[0-9]{2}": "casme2", "s[0-9]{2}": "smic", "[0-9]{3}": "samm"}
_FPS = {"casme2": 200.0, "smic": 100.0, "samm": 200.0}
_EMOTIONS = {"0": "negative", "1": "positive", "2": "surprise"}


def open_flow_maps(folder: Path) -> Release:
    """Read published flow maps. Each map becomes a row whose only frame is the map: onset, apex and offset are 0.

    Args:
        folder: folder of the maps.

    Raises:
        DatasetError: there are no maps, or all three corpora are there but not the 442 clips of the composite.
    """
    maps = sorted(path for path in folder.glob("*/u_test/*/*") if path.suffix.lower() == ".png")
    if not maps:
        raise AbsentError(
            f"flow maps: no <subject>/u_test/<label>/*.png in {folder}. "
            "Put the maps there or correct clips in params.yaml"
        )
    rows = tuple(_read_map(path, folder) for path in maps)
    _check_counts(Counter(row.corpus for row in rows if isinstance(row, Annotation)), folder)

    def make_clip(row: Annotation, label: str, max_gap: int) -> Clip:
        return _make_clip(row, label, Path(row.where).relative_to(folder).as_posix())

    return Release(rows=rows, make_clip=make_clip)


def _read_map(path: Path, folder: Path) -> AnnotationRow:
    """Return the row of one map, from its path."""
    subject, _, code, _ = path.relative_to(folder).parts
    corpus = next((name for pattern, name in _CORPUS_OF.items() if re.fullmatch(pattern, subject)), None)
    if corpus is None:
        return FaultyRow(
            id="",
            reason=f"{path}: {show_cell(subject)} is not a subject of CASME II (sub01), SMIC (s01) or SAMM (006). "
            "Correct its name",
        )
    try:
        require_name(path.stem.strip(), "the name of the map", str(path.parent))
        require_name(code, "the label", str(path.parent))
    except DatasetError as error:
        return FaultyRow(id="", reason=str(error))
    return Annotation(
        corpus=corpus,
        vocabulary=MEGC2019_MAPS,
        subject=subject,
        name=path.stem.strip(),
        emotion=_EMOTIONS.get(code, code),
        action_units="",
        onset=0,
        apex=0,
        offset=0,
        fps=_FPS[corpus],
        cropped=True,
        where=str(path),
    )


def _make_clip(row: Annotation, label: str, frames: str) -> Clip:
    return Clip(
        corpus=row.corpus,
        subject=row.subject,
        name=row.name,
        emotion=row.emotion,
        label=label,
        action_units="",
        frames=frames,
        numbers=(0,),
        onset=0,
        apex=0,
        offset=0,
        apex_source="annotated",
        fps=row.fps,
        cropped=True,
    )


def _check_counts(clips: Counter[str], folder: Path) -> None:
    """Refuse other numbers of clips than `_COMPOSITE_CLIPS` if all three corpora of the composite are present.

    Args:
        clips: number of clips by corpus.
        folder: folder of the release, for the message.

    Raises:
        DatasetError: a corpus has another number of clips.
    """
    if set(clips) == set(_COMPOSITE_CLIPS) and clips != _COMPOSITE_CLIPS:
        counts = ", ".join(f"{corpus} {clips[corpus]} of {count}" for corpus, count in _COMPOSITE_CLIPS.items())
        raise DatasetError(
            f"{folder}: not the composite of {sum(_COMPOSITE_CLIPS.values())} maps: {counts}. Copy it again"
        )
