from pathlib import Path

import numpy as np
import pytest

from fakes import make_clip, texture
from microfacial.datasets import ClipsConfig, list_clips
from microfacial.datasets.image_files import read_image
from microfacial.errors import NoFaceError
from microfacial.files import write_image
from microfacial.preprocessing.aligned_frames import find_skin, read_aligned_frames
from microfacial.preprocessing.alignment import mean_face, warp_to_grey
from microfacial.preprocessing.faces import FacesConfig, locate
from microfacial.preprocessing.regions import EYE_CORNERS


def test_frames_of_a_clip_are_aligned_to_the_face_in_the_first(tiny_demo: Path) -> None:
    config = ClipsConfig(name="tiny", root=str(tiny_demo.parent), corpora=("demo",), scheme="casme2-4")
    clip = list_clips(config).clips[0]
    frames, skin = read_aligned_frames(clip, tiny_demo.parent, clip.numbers)
    face = locate(clip, read_image(tiny_demo.parent / clip.frame(clip.onset)), FacesConfig())
    apex = read_image(tiny_demo.parent / clip.frame(clip.apex))
    assert tuple(frames) == clip.numbers
    assert np.array_equal(frames[clip.apex], warp_to_grey(apex, face.transform, 224))
    assert skin.shape == (224, 224)
    assert 0.3 < skin.mean() < 0.9


def test_a_first_frame_without_a_face_is_refused_by_its_number(tmp_path: Path) -> None:
    clip = make_clip(frames="{}.png")
    write_image(tmp_path / "3.png", texture(85, 70))
    with pytest.raises(NoFaceError, match=r"\b3\b"):
        read_aligned_frames(clip, tmp_path, (3,))


def test_skin_is_the_face_without_the_eyes_and_the_background() -> None:
    points = mean_face(224)
    skin = find_skin(points, 224)
    eyes = np.stack([points[list(corners)].mean(axis=0) for corners in EYE_CORNERS])
    nose_tip, chin, forehead = (points[index].astype(int) for index in (4, 152, 10))
    assert skin[nose_tip[1], nose_tip[0]]
    assert not any(skin[row, column] for column, row in eyes.astype(int))
    assert not any(skin[row, column] for row in (0, 223) for column in (0, 223))
    assert skin[chin[1] - 3, chin[0]]
    assert skin[forehead[1] + 3, forehead[0]]
