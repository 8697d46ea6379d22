"""Files of faces and flow: the `faces` and `flow` stages write them, and training reads them."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.clip_table import read_clips
from microfacial.disk import create_array, move_file, reserve
from microfacial.errors import StorageError
from microfacial.files import REPAIR, atomic_write, digest, read_array, read_json, refuse_damaged, write_json
from microfacial.preprocessing.stored_features import FacesFile, FlowIndex
from microfacial.records import Clip, Face, FaceStore, Image

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
    """Write faces.json with transforms and boxes, and crops.npy with the aligned onset and apex of each clip.

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
        rows = []
        for row, (face, pair) in enumerate(located):
            crops[row] = pair
            rows.append({**asdict(face), "transform": face.transform.tolist()})
        crops.flush()
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


def read_crops(folder: Path, count: int, size_px: int, remedy: str = REPAIR) -> NDArray[np.uint8]:
    """Open the aligned onset and apex crops of all clips.

    Args:
        folder: folder that `write_faces` wrote.
        count: number of clips, N.
        size_px: side of the aligned square.
        remedy: what to do if the file is damaged.

    Returns:
        `(N, 2, H, W, 3)` uint8 BGR, memory-mapped.

    Raises:
        StorageError: The file is missing or damaged, or has another type or shape.
    """
    return read_array(folder / "crops.npy", np.uint8, (count, 2, size_px, size_px, 3), remedy)


# --- flow -------------------------------------------------------------------------------------------------------------


class FlowWriter:
    """Collect the flow of clips in a folder, clip by clip. The process may be killed between any two clips.

    A clip is done when its key is in done.txt. The key is written after the flow has been written.

    Attributes:
        folder: folder of the files.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        """Open the folder, or create it with a file of zeros.

        Args:
            folder: folder of the files.
            shape: shape of the flow of all clips, `(N, T, C, H, W)`.

        Raises:
            StorageError: The folder has a file of flow with another type or shape, or the disk is full.
        """
        self.folder = folder
        self._shape = shape
        self._log = folder / "done.txt"
        array = folder / "flow.npy"
        if not array.exists():
            self._log.unlink(missing_ok=True)  # the clips in it were lost with the array
            with atomic_write(array) as fresh:
                create_array(fresh, np.float16, shape, array)
        self.read()  # checks the file
        reserve(array, array)  # earlier versions did not reserve space
        self._flow = np.lib.format.open_memmap(array, mode="r+")

    def done(self) -> set[str]:
        """Return the keys in done.txt: those given to `add` for each clip whose flow has been written.

        A key that was damaged belongs to no clip, so the flow of its clip is computed again.
        """
        return set(self._log.read_text(errors="replace").splitlines()) if self._log.exists() else set()

    def add(self, row: int, key: str, flow: NDArray[np.float16]) -> None:
        """Write the flow of one clip and record that it is done.

        Args:
            row: index of the clip in the array.
            key: text that identifies the clip and all that its flow depends on.
            flow: flow of the clip, `(T, C, H, W)`.
        """
        self._flow[row] = flow
        self._flow.flush()
        with self._log.open("a") as log:
            log.write(f"{key}\n")

    def read(self) -> NDArray[np.float16]:
        """Return the flow of all clips, `(N, T, C, H, W)`, memory-mapped. Clips that are not done have zeros."""
        remedy = f"Delete the folder {self.folder} and run the command again"
        return read_array(self.folder / "flow.npy", np.float16, self._shape, remedy)

    def finish(self, out: Path, index: dict[str, Any]) -> None:
        """Move the flow to `out`, write its index there, and delete the folder.

        Args:
            out: folder to write. An existing folder is replaced.
            index: content of index.json: `unit`, `windows` and `clips`, the ids of the clips.
        """
        with atomic_write(out) as fresh:
            fresh.mkdir()
            write_json(fresh / "index.json", index)
            move_file(self.folder / "flow.npy", fresh / "flow.npy", out / "flow.npy")
        shutil.rmtree(self.folder)


def read_flow(folder: Path, size_px: int, remedy: str = REPAIR) -> tuple[FlowIndex, NDArray[np.float16]]:
    """Open the flow of all clips.

    Args:
        folder: folder that the `flow` stage wrote.
        size_px: side of the aligned square.
        remedy: what to do if a file is damaged.

    Returns:
        The index, and the flow `(N, T, C, H, W)`, memory-mapped.

    Raises:
        StorageError: A file is missing or damaged, or the flow has another type or shape.
    """
    path = folder / "index.json"
    index = read_json(path, FlowIndex, remedy)
    with refuse_damaged(path, remedy):
        index.check()
    return index, read_array(folder / "flow.npy", np.float16, index.shape(size_px), remedy)


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
        crops=read_crops(faces_folder, len(clips), size_px, remedy),
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
