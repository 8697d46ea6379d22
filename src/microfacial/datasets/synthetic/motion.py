"""The motion in a clip from frame to frame: expression, eyelids and head."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from microfacial.datasets.synthetic.camera import CROP, View, locate_pixels
from microfacial.datasets.synthetic.clips import DemoClip
from microfacial.datasets.synthetic.geometry import displace, frame_to_head, head_to_frame
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.records import FloatArray


def expression_strength(clip: DemoClip, frame: int) -> float:
    """Return the strength of the expression: 0 at the onset, 1 at the apex, 0.1 at the offset.

    Args:
        clip: Synthetic clip.
        frame: Number of the frame.
    """
    if frame <= clip.apex:
        return smoothstep((frame - clip.onset) / max(clip.apex - clip.onset, 1))
    return 1.0 - 0.9 * smoothstep((frame - clip.apex) / (clip.offset - clip.apex))


def eyelid_drop(clip: DemoClip, frame: int) -> float:
    """Return how far a blink lowers the eyelids, in face units. A blink lasts 25 frames (an eighth of a second).

    Args:
        clip: Synthetic clip.
        frame: Number of the frame.
    """
    if clip.blink is None:
        return 0.0
    return 5.0 * smoothstep(1.0 - abs(frame - clip.blink) / 12.0)


def elapsed_fraction(clip: DemoClip, frame: int) -> float:
    """Return the elapsed fraction of a clip: 0 up to the onset, 1 from the offset on.

    Args:
        clip: Synthetic clip.
        frame: Number of the frame.
    """
    return min(max((frame - clip.onset) / (clip.offset - clip.onset), 0.0), 1.0)


def head_pose(clip: DemoClip, frame: int) -> tuple[float, float, float]:
    """Return the pose of the head.

    Args:
        clip: Synthetic clip.
        frame: Number of the frame.

    Returns:
        Shift to the right and down in face units, and the tangent of half the clockwise turn.
    """
    time = elapsed_fraction(clip, frame)
    progress = time + clip.bend * time * (1.0 - time)
    x, y, turn = (start + change * progress for start, change in zip(clip.pose, clip.drift, strict=True))
    return x, y, turn


def continue_motion(clips: Iterable[DemoClip]) -> Iterator[DemoClip]:
    """Yield clips as parts of one video. Each head starts in the last pose of the previous clip; the light is steady.

    Args:
        clips: Clips of one person, in order.
    """
    pose = None
    for clip in clips:
        continued = replace(clip, pose=clip.pose if pose is None else pose, light=(0.0, 0.0, 0.0))
        pose = head_pose(continued, continued.offset)
        yield continued


def true_motion(
    plan: DemoPlan, clip: DemoClip, frame: int | None = None, *, head: bool = True, view: View = CROP
) -> FloatArray:
    """Return the motion of each pixel from the onset to another frame.

    Args:
        plan: Plan of the data set.
        clip: Synthetic clip.
        frame: Number of the frame; the apex by default.
        head: Whether to include the drift of the head. Optical flow shows the motion without it after the rigid part
            is removed.
        view: View of the camera. In a view with a room, the result holds for pixels of the head only.

    Returns:
        Motion to the right (channel 0) and down (channel 1), `(2, H, W)` float64, in pixels.
    """
    frame = clip.apex if frame is None else frame
    start = locate_pixels(plan, view)
    pose = head_pose(clip, frame if head else clip.onset)
    # Rendering maps backwards: pixel p shows the face at frame_to_head(p) - shift(p). Find the p that now shows the
    # point of the face that `start` showed at the onset. The shifts vary slowly over the face, so each substitution
    # shrinks the error.
    face_points = frame_to_head(start, head_pose(clip, clip.onset)) - _skin_shift(clip, clip.onset, start)
    end = start
    for _ in range(12):
        end = head_to_frame(face_points + _skin_shift(clip, frame, end), pose)
    return (end - start) * plan.unit


def _skin_shift(clip: DemoClip, frame: int, points: FloatArray) -> FloatArray:
    """Return how far the skin at points `(2, H, W)` of the frame has moved on the head, in face units."""
    expression = expression_strength(clip, frame) * displace(points, clip.expression)
    return expression + eyelid_drop(clip, frame) * displace(points, clip.lids)


def smoothstep(x: float) -> float:
    """Return the cubic that rises from 0 at 0 to 1 at 1, and is constant outside.

    Args:
        x: Any number.
    """
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)
