"""The part of the face's plane that a camera records."""

from dataclasses import dataclass

import numpy as np

from microfacial.datasets.synthetic.geometry import EYE_LINE, FACE_HEIGHT, FACE_WIDTH, MIDLINE
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.records import FloatArray


@dataclass(frozen=True, kw_only=True)
class View:
    """The part of the face's plane that a camera records. The default is a crop of the face.

    Attributes:
        left: Left edge, in face units.
        top: Upper edge, in face units.
        width: Width, in face units.
        height: Height, in face units.
        room: Whether the head is in front of a wall. The wall stays still while the head moves.
        grey: Whether the three channels of a frame are equal.
    """

    left: float = 0.0
    top: float = 0.0
    width: float = FACE_WIDTH
    height: float = FACE_HEIGHT
    room: bool = False
    grey: bool = False

    @property
    def margin(self) -> int:
        """Width of the border around the face that the view or head motion may show, in face units."""
        return 116 if self.room else 12


CROP = View()


def make_room_view(width: float, height: float, *, grey: bool = False) -> View:
    """Return the view of a head in front of a wall.

    Args:
        width: Width of the frame, in face units.
        height: Height of the frame, in face units.
        grey: Whether the three channels of a frame are equal.
    """
    left, top = MIDLINE - 0.5 * width, EYE_LINE - 0.46 * height
    return View(left=left, top=top, width=width, height=height, room=True, grey=grey)


def locate_pixels(plan: DemoPlan, view: View) -> FloatArray:
    """Return the position of each pixel of a frame on the plane of the face.

    Args:
        plan: Plan of the data set, which gives the pixels per face unit.
        view: View of the camera.

    Returns:
        x and y, `(2, H, W)` float64, in face units.
    """
    rows, columns = np.indices((round(view.height * plan.unit), round(view.width * plan.unit)))
    return np.stack([columns / plan.unit + view.left, rows / plan.unit + view.top])
