"""Files of faces and flow: what the `faces` and `flow` stages write and training reads."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.clip_table import read_clips
from microfacial.errors import StorageError
from microfacial.files import atomic_write, digest, read_json, require_file, write_json
from microfacial.records import Box, Clip, Face, FaceSource, FaceStore, FlowUnit

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


def write_faces(
    folder: Path,
    count: int,
    located: Iterable[tuple[Face, NDArray[np.uint8]]],
    regions: Sequence[str],
    size_px: int,
) -> None:
    """Write transforms and boxes as faces.json, and the aligned onset and apex crops as crops.npy.

    Args:
        count: how many faces `located` yields, one by one.
        located: each face with its crops, `(2, H, W, 3)` uint8, onset first.
    """
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        shape = (count, 2, size_px, size_px, 3)
        crops = np.lib.format.open_memmap(fresh / "crops.npy", mode="w+", dtype=np.uint8, shape=shape)
        rows = []
        for row, (face, pair) in enumerate(located):
            crops[row] = pair
            rows.append({**asdict(face), "transform": face.transform.tolist()})
        crops.flush()
        write_json(fresh / "faces.json", {"regions": list(regions), "size_px": size_px, "faces": rows})


def read_faces(folder: Path) -> tuple[tuple[Face, ...], tuple[str, ...], int]:
    """Faces, the names of their regions, and the aligned square's side in px, as `write_faces` wrote them.

    Raises:
        StorageError: the file is missing or damaged.
    """
    content = read_json(folder / "faces.json")
    return tuple(_read_face(row) for row in content["faces"]), tuple(content["regions"]), content["size_px"]


def read_faces_of(folder: Path, clips: Sequence[Clip]) -> tuple[list[Face], int]:
    """Read the face of each clip and the side of the aligned square.

    Args:
        folder: folder that `write_faces` wrote.
        clips: clips in any order.

    Returns:
        One face per clip, in the order of `clips`, and the side of the aligned square in px.

    Raises:
        StorageError: The file is missing or damaged, or it has no face for one of the clips.
    """
    faces, _, size_px = read_faces(folder)
    by_clip = {face.clip: face for face in faces}
    missing = [clip.id for clip in clips if clip.id not in by_clip]
    if missing:
        raise StorageError(f"{folder}: no face for clip {missing[0]}: faces are older than clips.csv. Run `dvc repro`")
    return [by_clip[clip.id] for clip in clips], size_px


def read_crops(folder: Path) -> NDArray[np.uint8]:
    """Aligned onset and apex crops `(N, 2, H, W, 3)` uint8, BGR, memory-mapped, as `write_faces` wrote them.

    Raises:
        StorageError: the file is missing.
    """
    crops: NDArray[np.uint8] = np.load(require_file(folder / "crops.npy"), mmap_mode="r")
    return crops


def _read_face(row: dict[str, Any]) -> Face:
    return Face(
        clip=row["clip"],
        transform=np.array(row["transform"]),
        boxes=tuple(cast(Box, tuple(box)) for box in row["boxes"]),
        source=cast(FaceSource, row["source"]),
        confidence=row["confidence"],
    )


class FlowWriter:
    """Collects the flow of clips in a folder, clip by clip, and survives being killed between any two of them.

    A clip counts as done when its line stands in done.txt, which is written after its flow has reached the file.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self.folder = folder
        self._log = folder / "done.txt"
        array = folder / "flow.npy"
        if not array.exists():
            self._log.unlink(missing_ok=True)  # what it lists went away with the array
            with atomic_write(array) as fresh:
                np.lib.format.open_memmap(fresh, mode="w+", dtype=np.float16, shape=shape).flush()
        self._flow = np.lib.format.open_memmap(array, mode="r+")

    def done(self) -> set[str]:
        """Keys of the clips that are finished."""
        return set(self._log.read_text().splitlines()) if self._log.exists() else set()

    def add(self, row: int, key: str, flow: NDArray[np.float16]) -> None:
        """Store the flow of one clip, `(T, C, H, W)`, and remember that it is done."""
        self._flow[row] = flow
        self._flow.flush()
        with self._log.open("a") as log:
            log.write(f"{key}\n")

    def read(self) -> NDArray[np.float16]:
        """The flow of all clips, `(N, T, C, H, W)`, memory-mapped; zeros for one that is not done."""
        flow: NDArray[np.float16] = np.load(self.folder / "flow.npy", mmap_mode="r")
        return flow

    def finish(self, out: Path, index: dict[str, Any]) -> None:
        """Move the flow to `out`, with its index beside it; the folder is gone then."""
        with atomic_write(out) as fresh:
            fresh.mkdir()
            write_json(fresh / "index.json", index)
            (self.folder / "flow.npy").replace(fresh / "flow.npy")
        shutil.rmtree(self.folder)


def read_store(flow_folder: Path, faces_folder: Path) -> FaceStore:
    """Crops, flow and regions of all clips, memory-mapped.

    Raises:
        StorageError: a file is missing or damaged, or faces and flow are not of the same clips.
    """
    index = read_json(flow_folder / "index.json")
    faces, regions, _ = read_faces(faces_folder)
    clips = tuple(index["clips"])
    if clips != tuple(face.clip for face in faces):
        raise StorageError(f"{flow_folder} and {faces_folder} are not of the same clips. Run `dvc repro`")
    return FaceStore(
        clips=clips,
        crops=read_crops(faces_folder),
        flow=np.load(require_file(flow_folder / "flow.npy"), mmap_mode="r"),
        windows=tuple(index["windows"]),
        unit=cast(FlowUnit, index["unit"]),
        boxes=np.array([face.boxes for face in faces], dtype=np.int64),
        regions=regions,
    )


def read_features(folder: Path) -> tuple[FaceStore, tuple[Clip, ...]]:
    """Faces and flow of a data set, memory-mapped, and its clips in the same order; `folder` is its folder.

    Raises:
        StorageError: a stage has not been run, or for other clips.
    """
    store, clips = read_store(folder / "flow", folder / "faces"), read_clips(folder / "clips.csv")
    if store.clips != tuple(clip.id for clip in clips):
        raise StorageError(f"{folder}: flow and clips.csv are not of the same clips. Run `dvc repro`")
    return store, clips
