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
def test_only_the_placeholder_of_the_frame_number_is_replaced(frames: str, path: str) -> None:
    assert make_clip(frames=frames).frame(37) == path


@pytest.mark.parametrize(
    ("corpus", "synthetic"), [("demo", True), ("demo-samm", True), ("samm", False), ("demonstration", False)]
)
def test_the_name_of_a_corpus_shows_whether_it_is_synthetic(corpus: str, synthetic: bool) -> None:
    assert is_synthetic(corpus) == synthetic
