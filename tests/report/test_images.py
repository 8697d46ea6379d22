import base64

import cv2
import numpy as np

from fakes import texture
from microfacial.report.images import as_data_uri, resize_field, resize_image


def test_larger_images_repeat_pixels_and_smaller_images_average_them() -> None:
    image = np.array([[0, 100], [200, 100]], np.uint8)
    assert resize_image(image, 4, 4).tolist() == [[0, 0, 100, 100]] * 2 + [[200, 200, 100, 100]] * 2
    assert resize_image(image, 1, 1).tolist() == [[100]]
    assert resize_image(texture(40, 30), 15, 20).shape == (20, 15, 3)


def test_a_field_keeps_its_values_and_its_channels_on_another_grid() -> None:
    field = np.stack([np.full((4, 4), 2.0), np.full((4, 4), -3.0)]).astype(np.float16)
    for side in (2, 8):
        resized = resize_field(field, side)
        assert resized.dtype == np.float32
        assert (resized == np.array([2.0, -3.0])[:, None, None]).all()
        assert resized.shape == (2, side, side)
    assert resize_field(field[:1], 2).shape == (1, 2, 2)


def test_a_data_uri_contains_the_image_without_loss() -> None:
    image = texture(8, 6)
    kind, content = as_data_uri(image).split(",")
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    assert kind == "data:image/png;base64"
    assert decoded is not None
    assert np.array_equal(decoded, image)
