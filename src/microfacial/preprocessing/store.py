"""Files of faces and flow: the `faces` and `flow` stages write them, and training reads them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.clip_table import read_clips
from microfacial.disk import create_array
from microfacial.errors import StorageError
from microfacial.files import REPAIR, atomic_write, digest, read_array, read_json, refuse_damaged, write_json
from microfacial.preprocessing.clip_digests import array_digest, check_digests, write_digests
from microfacial.preprocessing.stored_features import FacesFile, FlowIndex
from microfacial.records import Clip, Face, FaceStore, FlowUnit, Image

FEATURE_FILES = ("clips.csv", "faces/faces.json", "faces/crops.npy", "flow/flow.npy", "flow/index.json")
"""Files below `results/<data set>/` on which every result of training depends."""


def features_digest(folder: Path) -> str:
    """Return a digest of all feature files of a data set.

    Args:
        folder: results folder of the data set. It contains `FEATURE_FILES`.

    Returns:
        16 hexadecimal digits.

    Raises:
        StorageError: A file is missing.
    """
    return digest(folder / name for name in FEATURE_FILES)


# --- faces ------------------------------------------------------------------------------------------------------------


def write_faces(
    folder: Path, count: int, located: Iterable[tuple[Face, Image]], regions: Sequence[str], size_px: int
) -> None:
    """Write faces.json with transforms and boxes, crops.npy with the aligned onset and apex of each clip, and digests.

    Args:
        folder: folder to write. An existing folder is replaced.
        count: number of faces in `located`.
        located: each face with its crops, `(2, H, W, 3)` uint8 BGR, onset first.
        regions: names of the regions, in the order of each face's boxes.
        size_px: side of the aligned square.
    """
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        shape = (count, 2, size_px, size_px, 3)
        create_array(fresh / "crops.npy", np.uint8, shape, folder / "crops.npy")
        crops = np.lib.format.open_memmap(fresh / "crops.npy", mode="r+")
        rows, digests = [], {}
        for row, (face, pair) in enumerate(located):
            crops[row] = pair
            digests[face.clip] = array_digest(crops[row])
            rows.append({**asdict(face), "transform": face.transform.tolist()})
        crops.flush()
        write_digests(fresh, digests)
        write_json(fresh / "faces.json", {"regions": list(regions), "size_px": size_px, "faces": rows})


def read_faces(folder: Path, remedy: str = REPAIR) -> tuple[tuple[Face, ...], tuple[str, ...], int]:
    """Read the faces of all clips.

    Args:
        folder: folder that `write_faces` wrote.
        remedy: what to do if the file is damaged.

    Returns:
        Faces, names of their regions, and the side of the aligned square in px.

    Raises:
        StorageError: The file is missing or damaged.
    """
    path = folder / "faces.json"
    content = read_json(path, FacesFile, remedy)
    with refuse_damaged(path, remedy):
        content.check()
    return tuple(face.to_face() for face in content.faces), content.regions, content.size_px


def read_faces_of(
    folder: Path, clips: Sequence[Clip], *, only: bool = False, remedy: str = REPAIR
) -> tuple[list[Face], int]:
    """Read the face of each of some clips.

    Args:
        folder: folder that `write_faces` wrote.
        clips: clips in any order.
        only: refuse a file with faces of other clips.
        remedy: what to do if the file is damaged.

    Returns:
        One face per clip, in the order of `clips`, and the side of the aligned square in px.

    Raises:
        StorageError: The file is missing or damaged, or it does not belong to the clips.
    """
    faces, _, size_px = read_faces(folder, remedy)
    by_clip = {face.clip: face for face in faces}
    missing = [clip.id for clip in clips if clip.id not in by_clip]
    if missing:
        raise StorageError(f"{folder} does not belong to clips.csv: no face of {missing[0]}. Run `dvc repro`")
    surplus = sorted(by_clip.keys() - {clip.id for clip in clips})
    if only and surplus:
        raise StorageError(f"{folder} does not belong to clips.csv, which has no clip {surplus[0]}. Run `dvc repro`")
    return [by_clip[clip.id] for clip in clips], size_px


def read_crops(folder: Path, clips: Sequence[str], size_px: int, remedy: str = REPAIR) -> NDArray[np.uint8]:
    """Open the aligned onset and apex crops of all clips.

    Args:
        folder: folder that `write_faces` wrote.
        clips: ids of the N clips, in the order of faces.json.
        size_px: side of the aligned square.
        remedy: what to do if the file is damaged.

    Returns:
        `(N, 2, H, W, 3)` uint8 BGR, memory-mapped.

    Raises:
        StorageError: The file is missing or damaged, has another type or shape, or a clip was altered or exchanged.
    """
    path = folder / "crops.npy"
    crops = read_array(path, np.uint8, (len(clips), 2, size_px, size_px, 3), remedy)
    check_digests(path, clips, crops, remedy)
    return crops


# --- flow -------------------------------------------------------------------------------------------------------------


def write_flow(
    folder: Path,
    clips: Sequence[str],
    flows: Iterable[tuple[int, NDArray[np.float16]]],
    layout: tuple[Sequence[str], int, FlowUnit],
    size_px: int,
) -> None:
    """Write flow.npy with the flow of all clips, digests.json, and index.json.

    Args:
        folder: folder to write. An existing folder is replaced.
        clips: ids of the N clips.
        flows: index of each clip and its flow, `(T, C, H, W)`, in any order. Every clip once.
        layout: names of the T windows, number of channels, and unit; see `flow.flow_layout`.
        size_px: side of the aligned square.

    Raises:
        StorageError: the disk is full.
    """
    windows, channels, unit = layout
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        shape = (len(clips), len(windows), channels, size_px, size_px)
        create_array(fresh / "flow.npy", np.float16, shape, folder / "flow.npy")
        array = np.lib.format.open_memmap(fresh / "flow.npy", mode="r+")
        digests = {}
        for row, flow in flows:
            array[row] = flow
            digests[row] = array_digest(flow)
        array.flush()
        write_digests(fresh, {clip: digests[row] for row, clip in enumerate(clips)})
        write_json(fresh / "index.json", {"unit": unit, "windows": windows, "clips": list(clips)})


def read_flow(folder: Path, size_px: int, remedy: str = REPAIR) -> tuple[FlowIndex, NDArray[np.float16]]:
    """Open the flow of all clips.

    Args:
        folder: folder that the `flow` stage wrote.
        size_px: side of the aligned square.
        remedy: what to do if a file is damaged.

    Returns:
        The index, and the flow `(N, T, C, H, W)`, memory-mapped.

    Raises:
        StorageError: A file is missing or damaged, the flow has another type or shape, or a clip was altered or
            exchanged.
    """
    path = folder / "index.json"
    index = read_json(path, FlowIndex, remedy)
    with refuse_damaged(path, remedy):
        index.check()
    path = folder / "flow.npy"
    flow = read_array(path, np.float16, index.shape(size_px), remedy)
    check_digests(path, index.clips, flow, remedy)
    return index, flow


# --- both -------------------------------------------------------------------------------------------------------------


def read_store(flow_folder: Path, faces_folder: Path, remedy: str = REPAIR) -> FaceStore:
    """Open crops, flow and regions of all clips.

    Args:
        flow_folder: folder that the `flow` stage wrote.
        faces_folder: folder that the `faces` stage wrote.
        remedy: what to do if a file is damaged.

    Returns:
        The store. Its crops and its flow are memory-mapped.

    Raises:
        StorageError: A file is missing or damaged, faces and flow do not belong to the same clips, or the flow of a
            clip has numbers that are not finite. The message names the clip.
    """
    faces, regions, size_px = read_faces(faces_folder, remedy)
    index, flow = read_flow(flow_folder, size_px, remedy)
    clips = index.clips
    if clips != tuple(face.clip for face in faces):
        again = "Run `dvc repro`" if remedy == REPAIR else remedy
        raise StorageError(f"{flow_folder} and {faces_folder} do not belong to the same clips. {again}")
    for clip, sequence in zip(clips, flow, strict=True):
        if not np.isfinite(sequence).all():
            raise StorageError(f"{flow_folder / 'flow.npy'}: the flow of {clip} is not finite. {remedy}")
    return FaceStore(
        clips=clips,
        crops=read_crops(faces_folder, clips, size_px, remedy),
        flow=flow,
        windows=index.windows,
        unit=index.unit,
        boxes=np.array([face.boxes for face in faces], dtype=np.int64),
        regions=regions,
    )


def read_features(folder: Path) -> tuple[FaceStore, tuple[Clip, ...]]:
    """Open faces and flow of a data set, and read its clips.

    Args:
        folder: results folder of the data set.

    Returns:
        The store and the clips, in the same order. The arrays of the store are memory-mapped.

    Raises:
        StorageError: A stage has not been run, or it was run on other clips.
    """
    store, clips = read_store(folder / "flow", folder / "faces"), read_clips(folder / "clips.csv")
    if store.clips != tuple(clip.id for clip in clips):
        raise StorageError(f"{folder}: flow and clips.csv do not belong to the same clips. Run `dvc repro`")
    return store, clips
