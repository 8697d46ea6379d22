from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import make_clip
from microfacial.errors import ConfigError, ProtocolError
from microfacial.models.inputs import (
    apex_crops,
    face_area,
    face_regions,
    full_face,
    make_samples,
    phase_windows,
    region_windows,
)
from microfacial.preprocessing.alignment import mean_face
from microfacial.preprocessing.strain import strain
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Clip, FaceStore, Inputs

ALL_WINDOWS = (*PHASE_WINDOWS, ONSET_APEX)


def store(unit: str = "px", side: int = 8, windows: tuple[str, ...] = ("other", ONSET_APEX)) -> FaceStore:
    channels = 3 if unit == "stretched" else 2
    random = np.random.default_rng(0)
    return FaceStore(
        clips=("a", "b"),
        crops=random.integers(0, 256, (2, 2, side, side, 3), dtype=np.uint8),
        flow=random.normal(size=(2, len(windows), channels, side, side)).astype(np.float16),
        windows=windows,
        unit=unit,  # type: ignore[arg-type]
        boxes=np.array([[[0, 0, 4, 4], [2, 4, 8, 8]]] * 2),
        regions=("upper", "lower"),
    )


def clip(label: str) -> Clip:
    return make_clip(name=label, label=label)


def on_face(motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set the motion beside the jaw to 0: on a square of 8 px, three pixels in each of the lower corners."""
    inside = motion.copy()
    for row, column in ((6, 0), (7, 0), (7, 1), (6, 7), (7, 7), (7, 6)):
        inside[..., row, column] = 0
    return inside


def test_the_whole_face_is_the_onset_apex_window_with_its_strain() -> None:
    faces = store()
    motion = full_face(faces, 8).values
    assert motion.shape == (2, 3, 8, 8)
    assert np.array_equal(motion[:, :2], on_face(faces.flow[:, 1].astype(np.float32)))
    assert np.allclose(motion[:, 2], on_face(strain(faces.flow[:, 1])))


def test_the_face_area_contains_the_mean_face_and_excludes_the_lower_corners() -> None:
    size = 224
    points = mean_face(size)
    middle = points.mean(axis=0)
    enlarged = (1.07 * (points - middle) + middle).round().astype(int)  # margin for faces that are wider or longer
    visible = enlarged[(enlarged >= 0).all(axis=1) & (enlarged < size).all(axis=1)]
    area = face_area(size)
    assert area[visible[:, 1], visible[:, 0]].all()
    assert np.array_equal(area, area[:, ::-1])
    assert not area[-size // 8 :, : size // 8].any()
    assert 0.85 < area.mean() < 0.95


def test_published_maps_keep_their_own_strain() -> None:
    faces = store("stretched")
    assert np.array_equal(full_face(faces, 8).values, faces.flow[:, 1].astype(np.float32))


def test_maps_are_averaged_to_shrink_them() -> None:
    faces = store()
    expected = on_face(faces.flow[:, 1].astype(np.float32)).reshape(2, 2, 4, 2, 4, 2).mean(axis=(3, 5))
    assert np.allclose(full_face(faces, 4).values[:, :2], expected, atol=1e-6)


def test_apex_crops_are_red_green_and_blue_around_zero() -> None:
    faces = store()
    images = apex_crops(faces, 8)
    assert images.values.shape == (2, 3, 8, 8)
    blue, green, red = (faces.crops[:, 1, :, :, channel] for channel in range(3))
    for channel, levels in enumerate((red, green, blue)):
        assert np.allclose(images.values[:, channel], levels / 255 - 0.5, atol=1e-6)
    smaller = images.values.reshape(2, 3, 4, 2, 4, 2).mean(axis=(3, 5))
    assert np.allclose(apex_crops(faces, 4).values, smaller, atol=1e-6)
    assert (images.windows, images.mirror) == ((), ())


def test_regions_are_cut_from_the_face_at_their_boxes() -> None:
    faces = store()
    regions = face_regions(faces, 4).values
    assert regions.shape == (2, 2, 3, 4, 4)
    assert np.array_equal(regions[:, 0, :2], faces.flow[:, 1, :, 0:4, 0:4].astype(np.float32))
    expected = faces.flow[:, 1, :, 2:8, 4:8].astype(np.float32).mean(axis=(2, 3))
    assert np.allclose(regions[:, 1, :2].mean(axis=(2, 3)), expected, atol=1e-6)


def test_the_whole_face_can_follow_the_regions() -> None:
    faces = store()
    alone, followed = (face_regions(faces, 4, whole_face=whole) for whole in (False, True))
    assert np.array_equal(followed.values[:, :2], alone.values)
    assert np.array_equal(followed.values[:, 2], full_face(faces, 4).values)
    assert (alone.mirror, followed.mirror) == ((0, 1), (0, 1, 2))


def test_windows_keep_the_given_order() -> None:
    faces = store(windows=ALL_WINDOWS)
    inputs = region_windows(faces, 4, (ONSET_APEX, "apex>fall"))
    assert inputs.values.shape == (2, 2, 2, 3, 4, 4)
    assert inputs.windows == (ONSET_APEX, "apex>fall")
    assert np.array_equal(inputs.values[:, 0], face_regions(faces, 4).values)
    assert np.array_equal(inputs.values[:, 1, 0, :2], faces.flow[:, 2, :, 0:4, 0:4].astype(np.float32))


def test_motion_from_apex_to_offset_is_the_sum_of_its_two_windows() -> None:
    faces = store(windows=ALL_WINDOWS)
    after = region_windows(faces, 4, ("apex>offset",)).values[:, 0, 0]
    total = faces.flow[:, 2].astype(np.float32) + faces.flow[:, 3]
    assert np.array_equal(after[:, :2], total[:, :, 0:4, 0:4])
    assert np.allclose(after[:, 2], strain(total)[:, 0:4, 0:4])  # the strain of the sum, not the sum of strains


def test_a_phase_has_the_given_number_of_windows() -> None:
    faces = store(windows=ALL_WINDOWS)
    assert phase_windows(faces, 0) == (ONSET_APEX,)
    assert phase_windows(faces, 1) == (ONSET_APEX, "apex>offset")
    assert phase_windows(faces, 2) == ("onset>rise", "rise>apex", "apex>fall", "fall>offset")


@pytest.mark.parametrize("per_phase", [0, 1, 2])
def test_onset_to_apex_is_the_only_window_if_no_phases_are_stored(per_phase: int) -> None:
    assert phase_windows(store(), per_phase) == (ONSET_APEX,)


def zeros() -> Inputs:
    return Inputs(values=np.zeros((2, 1), np.float32))


def test_each_row_has_its_class_subject_and_clip() -> None:
    samples = make_samples(zeros(), store(), (clip("y"), clip("x")), ("x", "y"))
    assert samples.labels.tolist() == [1, 0]
    assert samples.subjects.tolist() == ["c/s", "c/s"]
    assert samples.take(np.array([1])).clips.tolist() == ["c/s/x"]


def test_samples_keep_the_names_of_windows_and_the_mirror_order() -> None:
    inputs = region_windows(store(), 4, (ONSET_APEX,), whole_face=True)
    samples = make_samples(inputs, store(), (clip("y"), clip("x")), ("x", "y"))
    assert (samples.windows, samples.mirror) == ((ONSET_APEX,), (0, 1, 2))
    assert samples.active.shape == (2, 3)


def test_inputs_always_have_the_same_memory_layout() -> None:
    """Copies in other processes get the standard layout, and kernels add numbers in the order of memory."""
    channels_last = Inputs(values=np.zeros((2, 4, 4, 3), np.float32).transpose(0, 3, 1, 2))
    assert make_samples(channels_last, store(), (clip("y"), clip("x")), ("x", "y")).inputs.flags.c_contiguous


def test_a_label_outside_the_class_list_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"'z'.* x, y"):
        make_samples(zeros(), store(), (clip("z"), clip("x")), ("x", "y"))


def test_a_class_that_is_listed_twice_is_refused() -> None:
    with pytest.raises(ProtocolError, match="x, y, x"):
        make_samples(zeros(), store(), (clip("y"), clip("x")), ("x", "y", "x"))


@pytest.mark.parametrize("name", ["crops", "flow", "boxes"])
def test_a_store_whose_arrays_do_not_fit_its_clips_is_refused(name: str) -> None:
    array = getattr(store(), name)
    with pytest.raises(ConfigError, match=rf"{name}.*\(1, .* 2 clips"):
        replace(store(), **{name: array[:1]})
    with pytest.raises(ConfigError, match=f"{name}.*list"):
        replace(store(), **{name: array.tolist()})


def test_annotated_action_units_determine_the_active_regions() -> None:
    flows = FaceStore(
        clips=("a", "b"),
        crops=np.zeros((2, 2, 8, 8, 3), np.uint8),
        flow=np.zeros((2, 1, 2, 8, 8), np.float16),
        windows=(ONSET_APEX,),
        unit="px",
        boxes=np.array([[[0, 0, 4, 8], [4, 0, 8, 8]]] * 2),
        regions=("eyebrows", "mouth"),
    )
    clips = (make_clip(name="a", action_units="4"), make_clip(name="b", action_units="?"))
    alone, with_face = (
        make_samples(face_regions(flows, 4, whole_face=whole), flows, clips, ("e",)).active for whole in (False, True)
    )
    assert alone.tolist() == [[True, False], [False, False]]
    assert with_face.tolist() == [[True, False, True], [False, False, False]]
    assert make_samples(full_face(flows, 4), flows, clips, ("e",)).active.shape == (2, 0)
