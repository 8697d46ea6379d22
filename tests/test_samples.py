import numpy as np
import pytest

from fakes import make_clip
from microfacial.errors import ProtocolError
from microfacial.records import ONSET_APEX, Clip, FaceStore
from microfacial.samples import face_regions, full_face, make_samples
from microfacial.strain import strain


def store(unit: str = "px", side: int = 8) -> FaceStore:
    channels = 3 if unit == "stretched" else 2
    flow = np.random.default_rng(0).normal(size=(2, 2, channels, side, side)).astype(np.float16)
    return FaceStore(
        clips=("a", "b"),
        flow=flow,
        windows=("other", ONSET_APEX),
        unit=unit,  # type: ignore[arg-type]
        boxes=np.array([[[0, 0, 4, 4], [2, 4, 8, 8]]] * 2),
        regions=("upper", "lower"),
    )


def clip(label: str) -> Clip:
    return make_clip(name=label, label=label)


def test_the_whole_face_is_the_onset_apex_window_with_its_strain() -> None:
    flows = store()
    inputs = full_face(flows, 8)
    assert inputs.shape == (2, 3, 8, 8)
    assert np.array_equal(inputs[:, :2], flows.flow[:, 1].astype(np.float32))
    assert np.allclose(inputs[:, 2], strain(flows.flow[:, 1]))


def test_published_maps_bring_their_own_strain() -> None:
    flows = store("stretched")
    assert np.array_equal(full_face(flows, 8), flows.flow[:, 1].astype(np.float32))


def test_shrinking_averages() -> None:
    flows = store()
    expected = flows.flow[:, 1].astype(np.float32).reshape(2, 2, 4, 2, 4, 2).mean(axis=(3, 5))
    assert np.allclose(full_face(flows, 4)[:, :2], expected, atol=1e-6)


def test_regions_are_cut_from_the_face_at_their_boxes() -> None:
    flows = store()
    regions = face_regions(flows, 4)
    assert regions.shape == (2, 2, 3, 4, 4)
    assert np.array_equal(regions[:, 0, :2], flows.flow[:, 1, :, 0:4, 0:4].astype(np.float32))
    expected = flows.flow[:, 1, :, 2:8, 4:8].astype(np.float32).mean(axis=(2, 3))
    assert np.allclose(regions[:, 1, :2].mean(axis=(2, 3)), expected, atol=1e-6)


def test_rows_know_their_class_person_and_clip() -> None:
    samples = make_samples(np.zeros((2, 1), np.float32), (clip("y"), clip("x")), ("x", "y"))
    assert samples.labels.tolist() == [1, 0]
    assert samples.subjects.tolist() == ["c/s", "c/s"]
    assert samples.take(np.array([1])).clips.tolist() == ["c/s/x"]


def test_inputs_lie_in_memory_in_one_way_only() -> None:
    """Copies in other processes are laid out anew, and kernels sum in the order of memory."""
    channels_last = np.zeros((2, 4, 4, 3), np.float32).transpose(0, 3, 1, 2)
    assert make_samples(channels_last, (clip("y"), clip("x")), ("x", "y")).inputs.flags.c_contiguous


def test_a_label_outside_the_class_list_is_refused() -> None:
    with pytest.raises(ProtocolError, match="label 'z' is not in the class list x, y"):
        make_samples(np.zeros((1, 1), np.float32), (clip("z"),), ("x", "y"))


def test_annotated_action_units_say_which_regions_move() -> None:
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
