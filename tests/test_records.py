import pytest

from fakes import make_clip
from microfacial.records import is_synthetic


@pytest.mark.parametrize(
    ("frames", "path"),
    [
        ("a/{}.jpg", "a/37.jpg"),
        ("a/{:05d}.jpg", "a/00037.jpg"),
        ("a/{:01d}.jpg", "a/37.jpg"),
        ("a/map .png", "a/map .png"),
        ("{a}/{0}/{}.jpg", "{a}/{0}/37.jpg"),
    ],
)
def test_a_frame_s_path_has_its_number_padded_as_asked_and_nothing_else_replaced(frames: str, path: str) -> None:
    assert make_clip(frames=frames).frame(37) == path


@pytest.mark.parametrize(
    ("corpus", "synthetic"), [("demo", True), ("demo-samm", True), ("samm", False), ("demonstration", False)]
)
def test_corpora_that_the_generator_wrote_are_told_by_their_name(corpus: str, synthetic: bool) -> None:
    assert is_synthetic(corpus) == synthetic
