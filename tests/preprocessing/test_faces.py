from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from fakes import TINY_PARAMS, make_clip, texture
from microfacial.datasets import ClipsConfig, list_clips
from microfacial.datasets.clip_table import read_clips, write_clips
from microfacial.datasets.frames import digest_frames
from microfacial.datasets.image_files import read_image
from microfacial.errors import ConfigError, DatasetError, NoFaceError
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import clips as clips_stage
from microfacial.pipeline.stages import faces as faces_stage
from microfacial.preprocessing.alignment import mean_face
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
    """Replace the frames of clips, and write their digests to clips.csv."""
    for name in names:
        for frame in Path(f"data/demo/Cropped/{name}").iterdir():
            cv2.imwrite(str(frame), texture(85, 70))
    table = Path("results/tiny/clips.csv")
    clips = read_clips(table)
    write_clips(table, [replace(clip, digest=digest_frames(clip, Path("data"))) for clip in clips])


def write_clips_table(*, cropped: bool) -> list[str]:
    """Write clips.csv with frames marked as cropped or not. Return the ids of the clips without the corpus."""
    clips_stage.run_clips(open_project())
    path = Path("results/tiny/clips.csv")
    clips = read_clips(path)
    write_clips(path, [replace(clip, cropped=cropped) for clip in clips])
    return [f"{clip.subject}/{clip.name}" for clip in clips]


# --- landmarks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (15, 1.0), (-15, 1.6), (5, 0.7)])
def test_a_moved_image_is_aligned_to_the_same_square(degrees: float, scale: float) -> None:
    motion = np.array(cv2.getRotationMatrix2D((105, 100), degrees, scale), dtype=np.float64)
    motion[:, 2] += np.array([105, 100]) * max(scale - 1, 0)
    size = (round(210 * max(scale, 1)), round(200 * max(scale, 1)))
    moved = np.asarray(cv2.warpAffine(CROP, motion, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)
    first, second = (locate(make_clip(), image, FacesConfig()) for image in (CROP, moved))
    corners = np.array([[55.0, 55.0], [150.0, 55.0], [105.0, 160.0]])
    there, back = apply(first.transform, corners), apply(second.transform, apply(motion, corners))
    assert np.hypot(*(there - back).T).max() < 2
    assert first.source == second.source == "landmarks"


def test_alignment_brings_the_eyes_of_every_demo_clip_to_those_of_the_mean_face(tiny_demo: Path) -> None:
    """The face is found again on the aligned crop."""
    for clip in list_demo(tiny_demo):
        frame = read_image(tiny_demo.parent / clip.frame(clip.onset))
        face = locate(clip, frame, FacesConfig())
        assert face.source == "landmarks"
        assert face.confidence is not None
        assert face.confidence > 0.8
        again = find_landmarks(align(frame, face, 224))
        assert again is not None
        assert eyes(again.points) == pytest.approx(eyes(mean_face(224)), abs=5)


def test_boxes_enclose_the_face_itself_not_the_mean_face() -> None:
    face = locate(make_clip(), CROP, FacesConfig())
    found = find_landmarks(CROP)
    assert found is not None
    mouth = apply(face.transform, found.points)[[61, 291]]  # the photographed smile is wide
    _, left, _, right = face.boxes[2]
    assert left < mouth[0, 0] < mouth[1, 0] < right
    assert face.boxes != locate(make_clip(corpus="demo"), texture(340, 280), FacesConfig()).boxes


# --- templates --------------------------------------------------------------------------------------------------------


def test_without_a_face_the_template_puts_the_demos_eyes_on_those_of_the_mean_face() -> None:
    face = locate(make_clip(corpus="demo"), texture(340, 280), FacesConfig())
    assert (face.source, face.confidence) == ("template", None)
    drawn = np.array([[140.0 - 54, 118], [140 + 54, 118]]) - 0.5
    assert apply(face.transform, drawn) == pytest.approx(eyes(mean_face(224)))


@pytest.mark.parametrize("width", [140, 280])
@pytest.mark.parametrize(
    ("corpus", "half_distance", "eye_line", "midline"),
    [("casme2", 0.276, 0.275, 0.485), ("smic", 0.264, 0.268, 0.488)],
)
def test_the_template_has_the_measured_eyes_at_every_size(
    width: int, corpus: str, half_distance: float, eye_line: float, midline: float
) -> None:
    """The fractions were measured with landmarks on the crops of MEGC2019."""
    face = locate(make_clip(corpus=corpus), texture(width * 5 // 4, width), FacesConfig(method="template"))
    columns = [(midline - half_distance) * width, (midline + half_distance) * width]
    measured = np.array([[column, eye_line * (width * 5 // 4)] for column in columns]) - 0.5
    assert apply(face.transform, measured) == pytest.approx(eyes(mean_face(224)), abs=0.01)


def test_the_template_method_ignores_the_face_in_the_frame() -> None:
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
def test_a_frame_without_a_face_and_a_template_is_refused(clip: Clip, config: FacesConfig) -> None:
    with pytest.raises(NoFaceError, match=rf"{clip.id}: .*frame 1\b.*clips\.exclude"):
        locate(clip, texture(340, 280), config)


# --- published maps ---------------------------------------------------------------------------------------------------


def test_a_map_of_the_aligned_size_stays_exactly_as_it_is() -> None:
    image = texture(28, 28)
    face = locate(make_clip(corpus="casme2"), image, WHOLE)
    assert np.array_equal(face.transform, [[1, 0, 0], [0, 1, 0]])
    assert np.array_equal(align(image, face, 28), image)
    assert (face.source, len(face.boxes)) == ("whole", 5)


def test_a_frame_that_is_not_square_is_refused_as_a_map() -> None:
    with pytest.raises(DatasetError, match="280×340 px"):
        locate(make_clip(), texture(340, 280), WHOLE)


def test_a_scheme_of_regions_that_the_method_lacks_is_refused() -> None:
    assert region_names(FacesConfig(regions="facs-8"))[0] == "left eye"
    with pytest.raises(ConfigError, match=r"faces\.regions: grid-28.*faces\.method: whole"):
        region_names(FacesConfig(regions="grid-28"))


# --- the stage --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("project")
def test_the_error_lists_all_clips_without_a_face_in_the_form_of_clips_exclude() -> None:
    strict = TINY_PARAMS.replace("method: landmarks", "method: landmarks, fallback: none")
    Path("params.yaml").write_text(strict)
    names = write_clips_table(cropped=True)
    hide_faces([names[0], names[7]])
    with pytest.raises(DatasetError, match=r"\b2 clips.*clips\.exclude") as caught:
        faces_stage.run_faces(open_project())
    assert not Path("results/tiny/faces").exists()
    pasted = str(caught.value).split("to clips.exclude: ")[1]
    Path("params.yaml").write_text(strict.replace("corpora:", f"exclude: {pasted}, corpora:"))
    assert set(names) - set(write_clips_table(cropped=True)) == {names[0], names[7]}
    faces_stage.run_faces(open_project())


@pytest.mark.usefixtures("project")
def test_uncropped_frames_have_no_template() -> None:
    hide_faces(write_clips_table(cropped=False)[2:3])
    with pytest.raises(DatasetError, match=r"\b1 clips.*clips\.exclude"):
        faces_stage.run_faces(open_project())


@pytest.mark.usefixtures("project")
def test_the_stage_prints_and_writes_how_faces_were_located(capsys: pytest.CaptureFixture[str]) -> None:
    hide_faces(write_clips_table(cropped=True)[3:4])
    faces_stage.run_faces(open_project())
    located, regions, _ = read_faces(Path("results/tiny/faces"))
    assert [face.source for face in located] == ["landmarks"] * 3 + ["template"] + ["landmarks"] * 8
    assert regions == ("eyes", "eyebrows", "mouth")
    confidence, clip = min((face.confidence, face.clip) for face in located if face.confidence is not None)
    expected = f"12 located (landmarks 11, template 1), confidence {confidence:.2f} or more, lowest in {clip}"
    output = capsys.readouterr()
    assert expected in output.out
    assert f"template of the corpus is used, in 1 of 12 clips: {located[3].clip}." in output.err


@pytest.mark.usefixtures("project")
def test_landmarks_with_a_region_off_the_square_are_replaced_by_the_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_clips_table(cropped=True)
    clip = read_clips(Path("results/tiny/clips.csv"))[0]
    points = mean_face(56)
    points[list(FACE_SCHEMES["mission"]["mouth"].points)] += 1000
    monkeypatch.setattr(
        "microfacial.preprocessing.alignment.find_landmarks",
        lambda _: Landmarks(points=points, depth=np.zeros(468), confidence=0.9),
    )
    frame = read_image(Path("data") / clip.frame(clip.onset))
    assert locate(clip, frame, FacesConfig()).source == "template"
    with pytest.raises(NoFaceError, match=clip.id):
        locate(clip, frame, FacesConfig(fallback="none"))
