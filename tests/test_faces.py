import numpy as np
import pytest

from fakes import make_clip, texture
from microfacial.errors import ConfigError, DatasetError
from microfacial.faces import FacesConfig, align, locate
from microfacial.rois import ROI_SCHEMES, template_boxes


def test_a_map_of_the_aligned_size_is_left_exactly_as_it_is() -> None:
    image = texture(28, 28)
    face = locate(make_clip(corpus="casme2"), image, FacesConfig(template="flow-map", rois="grid-28", size_px=28))
    assert np.array_equal(face.transform, [[1, 0, 0], [0, 1, 0]])
    assert np.array_equal(align(image, face, 28), image)


@pytest.mark.parametrize("width", [140, 280])
def test_the_template_follows_the_crops_size(width: int) -> None:
    """The same point of the face, ⅓ of the width from the left and ½ from the top, lands on the same aligned pixel."""
    face = locate(make_clip(corpus="casme2"), texture(340 * width // 280, width), FacesConfig())
    centre = np.array([width / 3 - 0.5, width / 2 - 0.5, 1.0])
    expected = [(1 / 3 - 0.05) / 0.9 * 224 - 0.5, (1 / 2 - 0.14) / 0.9 * 224 - 0.5]
    assert face.transform @ centre == pytest.approx(expected)


@pytest.mark.parametrize(
    ("template", "scheme"), [("casme2-cropped", "mission"), ("flow-map", "mission"), ("flow-map", "grid-28")]
)
def test_boxes_lie_inside_the_square_in_the_schemes_order(template: str, scheme: str) -> None:
    boxes = template_boxes(template, scheme, 28)  # type: ignore[arg-type]
    assert len(boxes) == len(ROI_SCHEMES[scheme])
    assert all(0 <= top < bottom <= 28 and 0 <= left < right <= 28 for top, left, bottom, right in boxes)


def test_eyebrows_are_above_eyes_above_the_mouth() -> None:
    eyes, eyebrows, mouth = template_boxes("casme2-cropped", "mission", 224)
    assert eyebrows[0] < eyes[0] < mouth[0]


def test_a_scheme_the_template_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="template casme2-cropped has no 'left eye'"):
        template_boxes("casme2-cropped", "grid-28", 224)


@pytest.mark.parametrize(("corpus", "height", "width"), [("samm", 340, 280), ("casme2", 480, 640)])
def test_crops_of_another_corpus_and_raw_frames_are_refused(corpus: str, height: int, width: int) -> None:
    with pytest.raises(DatasetError, match=f"does not fit {width}×{height} frames of {corpus}"):
        locate(make_clip(corpus=corpus), texture(height, width), FacesConfig())
