"""Clips that go through all stages although their faces or their flow tell nothing about an expression.

A template face, equal pictures or zero flow are signs of damaged frames. Training can use such clips, so they are
warnings and no errors.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from microfacial.pipeline.message_groups import SHOWN
from microfacial.preprocessing.faces import FacesConfig
from microfacial.records import Face

_REMEDY = "Compare their frames with the release, or list the clips under clips.exclude"


def find_suspicious_faces(faces: Sequence[Face], crops: NDArray[np.uint8], config: FacesConfig) -> list[str]:
    """Return one line for each kind of suspicious face.

    Args:
        faces: face of each clip.
        crops: aligned onset and apex, `(N, 2, H, W, 3)` uint8.
        config: settings of faces.

    Returns:
        Lines with the number and the first names of the clips. Empty if no clip is suspicious.
    """
    ids = [face.clip for face in faces]
    templates = [config.method == "landmarks" and face.source == "template" for face in faces]
    blank = [bool((pair == pair[:, :1, :1]).all(axis=(1, 2, 3)).any()) for pair in crops]
    equal = [config.method != "whole" and np.array_equal(*pair) for pair in crops]
    return _list_kinds(
        ids,
        {
            "no face, so the template of the corpus is used,": templates,
            "a blank picture at onset or apex": blank,
            "the same picture at onset and apex": equal,
        },
    )


def find_suspicious_flow(clips: Sequence[str], flow: NDArray[np.float16]) -> list[str]:
    """Return one line if clips have no motion between onset and apex.

    Args:
        clips: ids of the clips.
        flow: `(N, T, C, H, W)`. The first window is onset→apex, and the first channels are u and v.

    Returns:
        A line with the number and the first names of the clips. Empty if all clips have motion.
    """
    return _list_kinds(clips, {"flow of exactly zero from onset to apex": [not row[0, :2].any() for row in flow]})


def _list_kinds(clips: Sequence[str], kinds: dict[str, Iterable[bool]]) -> list[str]:
    lines = []
    for fault, flags in kinds.items():
        affected = [clip for clip, flag in zip(clips, flags, strict=True) if flag]
        if affected:
            more = f" and {len(affected) - SHOWN} more" if len(affected) > SHOWN else ""
            lines.append(
                f"{fault} in {len(affected)} of {len(clips)} clips: {', '.join(affected[:SHOWN])}{more}. {_REMEDY}"
            )
    return lines
