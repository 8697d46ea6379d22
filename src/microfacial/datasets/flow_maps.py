"""Published optical-flow maps of the MEGC2019 composite, in the layout that the HTNet repository publishes.

Layout: `<root>/<subject>/u_test/<label>/<clip> .png`, 28×28, channels (R, G, B) = (u, v, strain) of onset→apex, each
stretched to 0–255 per image; labels 0 negative, 1 positive, 2 surprise. The subject's form tells its corpus. `u_train`
beside it repeats the same maps and is not read.

Source: github.com/wangzhifengharrison/HTNet; See et al., MEGC 2019, doi:10.1109/FG.2019.8756611.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from microfacial.datasets.annotations import EXCLUDED
from microfacial.datasets.schemes import MEGC2019_MAPS, Scheme
from microfacial.errors import DatasetError
from microfacial.records import Clip

COMPOSITE_CLIPS = {"casme2": 145, "smic": 164, "samm": 133}
_CORPUS_OF = {r"sub\d{2}": "casme2", r"s\d{2}": "smic", r"\d{3}": "samm"}
_FPS = {"casme2": 200.0, "smic": 100.0, "samm": 200.0}
_EMOTIONS = {"0": "negative", "1": "positive", "2": "surprise"}


def read(root: Path, scheme: Scheme, exclude: frozenset[str], max_gap: int) -> Iterator[Clip | str]:
    """Yield a Clip for each map; its one "frame" is the map itself, so onset, apex and offset are all 0.

    Raises:
        DatasetError: there are no maps, a folder is not of the layout, or all three corpora are there but not the
            composite's 442 clips.
    """
    clips = [_make_clip(path, root, scheme) for path in sorted(root.glob("*/u_test/*/*.png"))]
    if not clips:
        raise DatasetError(
            f"flow maps: no <subject>/u_test/<label>/*.png in {root}. Put the maps there or correct clips.root"
        )
    _check_counts(Counter(clip.corpus for clip in clips), root)
    yield from (EXCLUDED + clip.id if clip.id in exclude else clip for clip in clips)


def _make_clip(path: Path, root: Path, scheme: Scheme) -> Clip:
    subject, _, code, _ = path.relative_to(root).parts
    corpus = next((name for form, name in _CORPUS_OF.items() if re.fullmatch(form, subject)), None)
    if corpus is None:
        raise DatasetError(f"{path}: {subject!r} is no subject of CASME II (sub01), SMIC (s01) or SAMM (006)")
    emotion = _EMOTIONS.get(code, code)
    return Clip(
        corpus=corpus,
        subject=subject,
        name=path.stem.strip(),
        emotion=emotion,
        label=scheme.label(MEGC2019_MAPS, emotion, str(path)) or emotion,
        action_units="",
        frames=path.relative_to(root).as_posix(),
        numbers=(0,),
        onset=0,
        apex=0,
        offset=0,
        apex_source="annotated",
        fps=_FPS[corpus],
        cropped=True,
    )


def _check_counts(found: Counter[str], root: Path) -> None:
    """The composite is asserted only where all of its three corpora are there."""
    if set(found) == set(COMPOSITE_CLIPS) and found != COMPOSITE_CLIPS:
        counts = ", ".join(f"{corpus} {found[corpus]} of {n}" for corpus, n in COMPOSITE_CLIPS.items())
        raise DatasetError(
            f"{root}: not the composite of {sum(COMPOSITE_CLIPS.values())} maps: {counts}. Copy it again"
        )
