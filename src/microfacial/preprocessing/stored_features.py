"""The content of faces.json and index.json, and checks of it."""

from dataclasses import dataclass

import numpy as np

from microfacial.errors import DamagedError
from microfacial.formats import refuse_repeated
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Box, Face, FaceSource, FlowUnit

_CHANNELS = {"px": 2, "stretched": 3}  # of flow, by its unit
_MAX_SHIFT_PX = 1e6  # by which a transform moves the frame
_MAX_ENLARGEMENT = 1e8  # of the area of the frame, and of its reduction
_WINDOWS = ((ONSET_APEX,), (ONSET_APEX, *PHASE_WINDOWS))


@dataclass(frozen=True)
class StoredFace:
    """One face in faces.json. Its attributes are those of `Face`."""

    clip: str
    transform: tuple[tuple[float, float, float], tuple[float, float, float]]
    boxes: tuple[Box, ...]
    source: FaceSource
    confidence: float | None

    def to_face(self) -> Face:
        """Return the face as a record."""
        return Face(
            clip=self.clip,
            transform=np.array(self.transform),
            boxes=self.boxes,
            source=self.source,
            confidence=self.confidence,
        )


@dataclass(frozen=True)
class FacesFile:
    """Content of faces.json.

    Attributes:
        regions: names of the regions, in the order of each face's boxes.
        size_px: side of the aligned square.
        faces: the face of each clip.
    """

    regions: tuple[str, ...]
    size_px: int
    faces: tuple[StoredFace, ...]

    def check(self) -> None:
        """Check names, that boxes lie on the aligned square, and that transforms and confidences are possible.

        Raises:
            DamagedError: something is missing, appears twice or lies outside. The message names the clip.
        """
        if self.size_px < 1 or not self.regions or not self.faces:
            raise DamagedError("no faces, no regions or no size")
        refuse_repeated("clip", [face.clip for face in self.faces])
        refuse_repeated("region", self.regions)
        for face in self.faces:
            if len(face.boxes) != len(self.regions):
                raise DamagedError(f"{face.clip} has {len(face.boxes)} boxes for {len(self.regions)} regions")
            for top, left, bottom, right in face.boxes:
                if not (0 <= top < bottom <= self.size_px and 0 <= left < right <= self.size_px):
                    raise DamagedError(f"{face.clip} has a box outside of the square of {self.size_px} px")
            _check_position(face)


@dataclass(frozen=True)
class FlowIndex:
    """Content of index.json.

    Attributes:
        unit: unit of the flow; see `FlowSequence.unit`.
        windows: names of the windows, in the order of the array.
        clips: ids of the clips, in the order of the array.
    """

    unit: FlowUnit
    windows: tuple[str, ...]
    clips: tuple[str, ...]

    def check(self) -> None:
        """Check the names of windows and clips.

        Raises:
            DamagedError: no method has these windows, or a clip appears twice.
        """
        if self.windows not in _WINDOWS:
            raise DamagedError(f"no method has the windows {', '.join(self.windows) or '(none)'}")
        refuse_repeated("clip", self.clips)

    def shape(self, size_px: int) -> tuple[int, ...]:
        """Return the shape of the array of flow, `(N, T, C, H, W)`.

        Args:
            size_px: side of the aligned square.
        """
        return len(self.clips), len(self.windows), _CHANNELS[self.unit], size_px, size_px


def _check_position(face: StoredFace) -> None:
    """Check that the transform maps the frame to the square, and that the confidence is a share."""
    area = np.linalg.det(np.array(face.transform)[:, :2])
    furthest = np.abs(face.transform).max()
    if furthest > _MAX_SHIFT_PX or not 1 / _MAX_ENLARGEMENT < area < _MAX_ENLARGEMENT:
        raise DamagedError(f"{face.clip} has a transform that no face has: {face.transform}")
    if face.confidence is not None and not 0 <= face.confidence <= 1:
        raise DamagedError(f"{face.clip} has the confidence {face.confidence}, not from 0 to 1")
