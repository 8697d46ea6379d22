from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data
from skimage.transform import SimilarityTransform

from fakes import TINY_PARAMS, make_clip, texture
from microfacial.datasets import ClipsConfig, list_clips
from microfacial.datasets.clip_table import read_clips, write_clips
from microfacial.datasets.frames import read_image
from microfacial.errors import ConfigError, DatasetError, NoFaceError
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import clips as clips_stage
from microfacial.pipeline.stages import faces as faces_stage
from microfacial.preprocessing.aligned_frames import find_skin
from microfacial.preprocessing.alignment import covered_pixels, fit_similarity, mean_face
from microfacial.preprocessing.faces import FacesConfig, align, locate, region_names
from microfacial.preprocessing.landmarks import Landmarks, find_landmarks
from microfacial.preprocessing.regions import EYE_CORNERS, FACE_SCHEMES
from microfacial.preprocessing.store import read_faces
from microfacial.records import Clip

CROP: NDArray[np.uint8] = np.ascontiguousarray(data.astronaut()[20:220, 120:330, ::-1])  # type: ignore[no-untyped-call]
WHOLE = FacesConfig(method="whole", regions="grid-28", size_px=28)


def apply(transform: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ transform[:, :2].T + transform[:, 2]


def eyes(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([points[list(corners)].mean(axis=0) for corners in EYE_CORNERS])


def list_demo(folder: Path) -> tuple[Clip, ...]:
    return list_clips(ClipsConfig(name="tiny", root=str(folder.parent), corpora=("demo",), scheme="casme2-4")).clips


def hide_faces(names: list[str]) -> None:
    for name in names:
        for frame in Path(f"data/demo/Cropped/{name}").iterdir():
            cv2.imwrite(str(frame), texture(85, 70))


def listed(*, cropped: bool) -> list[str]:
    """Write clips.csv as if the release had cropped the frames or not; ids below the corpus."""
    clips_stage.run_clips(open_project())
    path = Path("results/tiny/clips.csv")
    clips = read_clips(path)
    write_clips(path, [replace(clip, cropped=cropped) for clip in clips])
    return [f"{clip.subject}/{clip.name}" for clip in clips]


# --- similarity -------------------------------------------------------------------------------------------------------


def test_a_similarity_is_recovered_exactly() -> None:
    source = np.random.default_rng(0).uniform(0, 200, (11, 2))
    motion = np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -7.0]])
    assert fit_similarity(source, apply(motion, source)) == pytest.approx(motion)


def test_with_noise_the_fit_is_that_of_scikit_image() -> None:
    random = np.random.default_rng(0)
    source = random.uniform(0, 200, (11, 2))
    target = apply(np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -7.0]]), source) + random.normal(0, 5, (11, 2))
    expected = SimilarityTransform.from_estimate(source, target)
    assert fit_similarity(source, target) == pytest.approx(expected.params[:2])


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    source = np.random.default_rng(0).uniform(0, 200, (11, 2))
    assert np.linalg.det(fit_similarity(source, source * [-1, 1])[:, :2]) > 0


# --- landmarks --------------------------------------------------------------------------------------------------------


def test_the_mean_face_is_upright_symmetric_and_inside_the_square() -> None:
    face = mean_face(224)
    left, right = eyes(face)
    assert left[1] == right[1] == pytest.approx(0.24 * 224 - 0.5, abs=0.1)
    assert left[0] + right[0] == pytest.approx(223, abs=0.1)
    forehead = face[:, 1] < 0
    assert forehead.sum() < 20
    assert face[~forehead].min() > 0
    assert face.max() < 223


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (15, 1.0), (-15, 1.6), (5, 0.7)])
def test_a_picture_that_was_moved_is_aligned_to_the_same_square(degrees: float, scale: float) -> None:
    motion = np.array(cv2.getRotationMatrix2D((105, 100), degrees, scale), dtype=np.float64)
    motion[:, 2] += np.array([105, 100]) * max(scale - 1, 0)
    size = (round(210 * max(scale, 1)), round(200 * max(scale, 1)))
    moved = np.asarray(cv2.warpAffine(CROP, motion, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)
    first, second = (locate(make_clip(), image, FacesConfig()) for image in (CROP, moved))
    corners = np.array([[55.0, 55.0], [150.0, 55.0], [105.0, 160.0]])
    there, back = apply(first.transform, corners), apply(second.transform, apply(motion, corners))
    assert np.hypot(*(there - back).T).max() < 2
    assert first.source == second.source == "landmarks"


def test_every_clip_of_the_demo_is_found_with_its_eyes_where_the_mean_face_has_them(tiny_demo: Path) -> None:
    """The face found again on the aligned crop lies where alignment was to bring it."""
    for clip in list_demo(tiny_demo):
        frame = read_image(tiny_demo.parent / clip.frame(clip.onset))
        face = locate(clip, frame, FacesConfig())
        assert face.source == "landmarks"
        assert face.confidence is not None
        assert face.confidence > 0.8
        again = find_landmarks(align(frame, face, 224))
        assert again is not None
        assert eyes(again.points) == pytest.approx(eyes(mean_face(224)), abs=5)


def test_boxes_are_those_of_the_face_itself_not_of_the_mean_face() -> None:
    face = locate(make_clip(), CROP, FacesConfig())
    found = find_landmarks(CROP)
    assert found is not None
    mouth = apply(face.transform, found.points)[[61, 291]]  # the photographed smile is wide
    _, left, _, right = face.boxes[2]
    assert left < mouth[0, 0] < mouth[1, 0] < right
    assert face.boxes != locate(make_clip(corpus="demo"), texture(340, 280), FacesConfig()).boxes


# --- templates --------------------------------------------------------------------------------------------------------


def test_where_no_face_is_found_the_template_puts_the_demos_eyes_on_those_of_the_mean_face() -> None:
    face = locate(make_clip(corpus="demo"), texture(340, 280), FacesConfig())
    assert (face.source, face.confidence) == ("template", None)
    drawn = np.array([[140.0 - 54, 118], [140 + 54, 118]]) - 0.5
    assert apply(face.transform, drawn) == pytest.approx(eyes(mean_face(224)))


@pytest.mark.parametrize("width", [140, 280])
def test_the_template_follows_the_crops_size(width: int) -> None:
    """The same point of the face lands on the same aligned pixel."""
    face = locate(make_clip(corpus="casme2"), texture(width, width), FacesConfig(method="template"))
    there = apply(face.transform, np.array([[width / 2, width * 64 / 224]]) - 0.5)[0]
    assert there == pytest.approx(eyes(mean_face(224)).mean(axis=0))


def test_by_template_no_face_is_looked_for() -> None:
    clip = make_clip(corpus="demo")
    by_template, by_fallback = (
        locate(clip, image, FacesConfig(method=method))  # type: ignore[arg-type]
        for image, method in ((cv2.resize(CROP, (280, 340)), "template"), (texture(340, 280), "landmarks"))
    )
    assert np.array_equal(by_template.transform, by_fallback.transform)
    assert by_template.source == "template"


@pytest.mark.parametrize(
    ("clip", "config"),
    [
        (make_clip(corpus="casme2", cropped=False), FacesConfig()),
        (make_clip(corpus="casme2", cropped=False), FacesConfig(method="template")),
        (make_clip(corpus="samm"), FacesConfig()),
        (make_clip(corpus="demo-samm"), FacesConfig()),
        (make_clip(corpus="casme2"), FacesConfig(fallback="none")),
    ],
)
def test_without_a_face_and_a_template_there_is_no_guess(clip: Clip, config: FacesConfig) -> None:
    with pytest.raises(NoFaceError, match=rf"{clip.id}: no face was found in frame 1.*clips\.exclude"):
        locate(clip, texture(340, 280), config)


# --- published maps ---------------------------------------------------------------------------------------------------


def test_a_map_of_the_aligned_size_is_left_exactly_as_it_is() -> None:
    image = texture(28, 28)
    face = locate(make_clip(corpus="casme2"), image, WHOLE)
    assert np.array_equal(face.transform, [[1, 0, 0], [0, 1, 0]])
    assert np.array_equal(align(image, face, 28), image)
    assert (face.source, len(face.boxes)) == ("whole", 5)


def test_frames_are_not_taken_for_maps() -> None:
    with pytest.raises(DatasetError, match="280×340 px is no map"):
        locate(make_clip(), texture(340, 280), WHOLE)


def test_regions_that_a_method_lacks_are_refused() -> None:
    assert region_names(FacesConfig(regions="facs-8"))[0] == "left eye"
    with pytest.raises(ConfigError, match=r"grid-28 is only for faces\.method whole"):
        region_names(FacesConfig(regions="grid-28"))


# --- the stage --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("project")
def test_all_clips_without_a_face_are_listed_so_that_they_can_be_excluded() -> None:
    strict = TINY_PARAMS.replace("method: landmarks", "method: landmarks, fallback: none")
    Path("params.yaml").write_text(strict)
    names = listed(cropped=True)
    hide_faces([names[0], names[7]])
    with pytest.raises(DatasetError, match=r"clips without a face that could be found.*: 2") as caught:
        faces_stage.run_faces(open_project())
    assert not Path("results/tiny/faces").exists()
    pasted = str(caught.value).split("to clips.exclude: ")[1]
    Path("params.yaml").write_text(strict.replace("corpora:", f"exclude: {pasted}, corpora:"))
    assert set(names) - set(listed(cropped=True)) == {names[0], names[7]}
    faces_stage.run_faces(open_project())


@pytest.mark.usefixtures("project")
def test_frames_that_no_release_has_cropped_get_no_template() -> None:
    hide_faces(listed(cropped=False)[2:3])
    with pytest.raises(DatasetError, match=r"without a face that could be found.*: 1"):
        faces_stage.run_faces(open_project())


@pytest.mark.usefixtures("project")
def test_the_stage_says_and_records_how_faces_were_found(capsys: pytest.CaptureFixture[str]) -> None:
    hide_faces(listed(cropped=True)[3:4])
    faces_stage.run_faces(open_project())
    located, regions, _ = read_faces(Path("results/tiny/faces"))
    assert [face.source for face in located] == ["landmarks"] * 3 + ["template"] + ["landmarks"] * 8
    assert regions == ("eyes", "eyebrows", "mouth")
    confidence, clip = min((face.confidence, face.clip) for face in located if face.confidence is not None)
    expected = f"12 located (landmarks 11, template 1), confidence {confidence:.2f} or more, lowest in {clip}"
    assert expected in capsys.readouterr().out


def test_skin_is_the_face_without_eyes_and_without_what_lies_behind_it() -> None:
    points = mean_face(224)
    skin = find_skin(points, 224)
    nose_tip, chin, forehead = (points[index].astype(int) for index in (4, 152, 10))
    assert skin[nose_tip[1], nose_tip[0]]
    assert not any(skin[row, column] for column, row in eyes(points).astype(int))
    assert not any(skin[row, column] for row in (0, 223) for column in (0, 223))
    assert skin[chin[1] - 3, chin[0]]
    assert skin[forehead[1] + 3, forehead[0]]


def test_the_square_is_covered_where_it_shows_the_frame() -> None:
    frame = np.zeros((100, 60, 3), np.uint8)
    covered = covered_pixels(frame, np.array([[1.0, 0.0, 20.0], [0.0, 1.0, 0.0]]), 100)
    assert covered[:, 20:80].all()
    assert not covered[:, :20].any()
    assert not covered[:, 80:].any()


@pytest.mark.usefixtures("project")
def test_landmarks_with_a_region_off_the_square_fall_back_on_the_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed(cropped=True)
    clip = read_clips(Path("results/tiny/clips.csv"))[0]
    points = mean_face(56)
    points[list(FACE_SCHEMES["mission"]["mouth"].points)] += 1000
    monkeypatch.setattr(
        "microfacial.preprocessing.faces.find_landmarks", lambda _: Landmarks(points=points, confidence=0.9)
    )
    frame = read_image(Path("data") / clip.frame(clip.onset))
    assert locate(clip, frame, FacesConfig()).source == "template"
    with pytest.raises(NoFaceError, match=f"{clip.id}: no face was found"):
        locate(clip, frame, FacesConfig(fallback="none"))
