"""The inputs of a user's own model."""

from typing import Literal

from pydantic import Field

from microfacial.models.inputs import apex_crops, face_regions, full_face, phase_windows, region_windows
from microfacial.records import FaceStore, Inputs
from microfacial.settings import Section


class InputSettings(Section):
    """The inputs of a user's own model.

    Attributes:
        inputs: `face`: motion of the whole face, `(3, s, s)`: u, v, strain. `regions`: motion of each region,
            `(R, 3, s, s)`. `windows`: motion of each region in each window from onset to offset, `(W, R, 3, s, s)`.
            `apex`: the aligned apex frame, `(3, s, s)`.
        input_px: side of the maps, s.
    """

    inputs: Literal["face", "regions", "windows", "apex"] = "face"
    input_px: int = Field(28, ge=4, le=512)


def is_appearance(settings: Section) -> bool:
    """Return whether the inputs of a user's own model are frames.

    Args:
        settings: settings of any model.
    """
    return isinstance(settings, InputSettings) and settings.inputs == "apex"


def make_own_inputs(store: FaceStore, settings: InputSettings) -> Inputs:
    """Compute the inputs of a user's own model.

    Args:
        store: aligned faces and flow of N clips.
        settings: choice of the inputs.

    Returns:
        The inputs.
    """
    match settings.inputs:
        case "face":
            return full_face(store, settings.input_px)
        case "regions":
            return face_regions(store, settings.input_px, whole_face=False)
        case "windows":
            return region_windows(store, settings.input_px, phase_windows(store, 2))
        case "apex":
            return apex_crops(store, settings.input_px)
