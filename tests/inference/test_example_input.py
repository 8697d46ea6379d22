"""Synthetic example inputs. `test_bundle` predicts the example map."""

from microfacial.inference.example_input import make_example_clip
from microfacial.inference.read import read_clip
from microfacial.inference.request import open_requested_clip


def test_the_example_clip_is_a_video_that_can_be_read() -> None:
    example = make_example_clip()
    with open_requested_clip(example.pop("clip")) as path:
        assert path.suffix == ".avi"
        assert read_clip(path, **example).flow.shape[:2] == (1, 5)
    assert not path.exists()
