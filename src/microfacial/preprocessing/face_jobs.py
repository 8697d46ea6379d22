"""Locate the faces of many clips, and cut their aligned key frames. Finished clips are taken from a cache."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.frames import read_listed_frames
from microfacial.errors import DamagedError, DatasetError, NoFaceError
from microfacial.files import refuse_damaged
from microfacial.preprocessing.clip_cache import ClipCache, clip_key
from microfacial.preprocessing.faces import FacesConfig, align, locate, region_names
from microfacial.records import Clip, Face, Image

ReportProgress = Callable[[int, int], None]
"""Receives the number of clips that are done and the number of all clips."""

_ARRAYS = ("crops", "transform", "boxes", "source")


def locate_faces(
    clips: Sequence[Clip],
    frames_root: Path,
    config: FacesConfig,
    *,
    cache: ClipCache,
    code: str,
    report: ReportProgress,
) -> Iterator[tuple[Face, Image]]:
    """Locate the face of each clip on its onset frame. If that failed for some clips, raise an error after the last.

    Args:
        clips: clips with the digests of their frames, in the order of the results.
        frames_root: folder from which the paths of frames start.
        config: settings of faces.
        cache: finished clips of earlier runs.
        code: digest of the code on which faces depend. Faces that were stored with another digest are not used.
        report: called once at the start and once after every clip that was computed.

    Yields:
        Each face with its onset and apex crops, `(2, S, S, 3)` uint8 BGR.

    Raises:
        DatasetError: a frame cannot be read, or no face was found in some clips. The message names all of them.
        StorageError: a file of the cache is damaged, or the disk is full.
    """
    keys = [clip_key(clip, code, config.model_dump()) for clip in clips]
    finished = cache.start(keys)
    done = sum(key in finished for key in keys)
    report(done, len(clips))
    failed = []
    for clip, key in zip(clips, keys, strict=True):
        if key in finished:
            yield _read(cache, key, clip, config)
            continue
        try:
            face, crops = _locate(clip, frames_root, config)
        except NoFaceError:
            failed.append(clip.id)
            continue
        _write(cache, key, face, crops)
        done += 1
        report(done, len(clips))
        yield face, crops
    if failed:
        raise DatasetError(
            f"no face was found in {len(failed)} clips, and no template can be used for them. "
            f"Add them in params.yaml to clips.exclude: [{', '.join(failed)}]"
        )


def _locate(clip: Clip, frames_root: Path, config: FacesConfig) -> tuple[Face, Image]:
    frames = read_listed_frames(clip, frames_root, (clip.onset, clip.apex))
    face = locate(clip, frames[clip.onset], config)
    return face, np.stack([align(frames[number], face, config.size_px) for number in (clip.onset, clip.apex)])


def _write(cache: ClipCache, key: str, face: Face, crops: Image) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "crops": crops,
        "transform": face.transform,
        "boxes": np.array(face.boxes, dtype=np.int64),
        "source": np.array(face.source),
    }
    if face.confidence is not None:
        arrays["confidence"] = np.array(face.confidence, dtype=np.float64)
    cache.write(key, arrays)


def _read(cache: ClipCache, key: str, clip: Clip, config: FacesConfig) -> tuple[Face, Image]:
    arrays = cache.read(key, _ARRAYS)
    crops, transform, boxes, source = (arrays[name] for name in _ARRAYS)
    shapes = (crops.shape, transform.shape, boxes.shape)
    with refuse_damaged(cache.path(key), cache.remedy):
        if shapes != ((2, config.size_px, config.size_px, 3), (2, 3), (len(region_names(config)), 4)):
            raise DamagedError(f"arrays of other shapes: {shapes}")
    confidence = arrays.get("confidence")
    face = Face(
        clip=clip.id,
        transform=transform,
        boxes=tuple((top, left, bottom, right) for top, left, bottom, right in boxes.tolist()),
        source=source.item(),
        confidence=None if confidence is None else confidence.item(),
    )
    return face, crops
