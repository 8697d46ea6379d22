from pathlib import Path

import pytest

from fakes import touch_frames
from microfacial.datasets.missing_frames import MissingFolderError, no_frame_near, no_frames

CLIP = "casme2/sub01/a"


def test_the_highest_missing_folder_is_named_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "Croped").mkdir()
    (tmp_path / "notes.txt").touch()
    error = no_frames(CLIP, tmp_path, tmp_path / "Cropped/sub01/a", "img{}.jpg")
    assert isinstance(error, MissingFolderError)
    assert error.cause.startswith(
        f"there is no folder {tmp_path / 'Cropped'} for frames img<N>.jpg ({tmp_path} has Croped, notes.txt)"
    )
    assert str(error).startswith(f"{CLIP}: annotated, but {error.cause}")
    (tmp_path / "Cropped/sub01").mkdir(parents=True)
    error = no_frames(CLIP, tmp_path, tmp_path / "Cropped/sub01/a", "img{}.jpg")
    assert f"no folder {tmp_path / 'Cropped/sub01/a'}" in str(error)
    assert "has nothing" in str(error)


@pytest.mark.parametrize(
    ("names", "there", "remedy"),
    [
        ((), "it has nothing", "Copy the clip again"),
        (("picture1.gif",), "it has picture1.gif", "Rename its frames"),
        ([f"{number}.gif" for number in range(9)], "0.gif, 1.gif, 2.gif, 3.gif, 4.gif and 4 more", "Rename its frames"),
    ],
)
def test_a_folder_without_frames_is_described(tmp_path: Path, names: list[str], there: str, remedy: str) -> None:
    place = tmp_path / "a"
    place.mkdir()
    for name in names:
        (place / name).touch()
    message = str(no_frames(CLIP, tmp_path, place, "img{:05d}.jpg"))
    assert f"{place} has no frame img<N>.jpg" in message
    assert there in message
    assert remedy in message


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("img20.JPG", "Rename img20.JPG"),
        ("img0020.jpg", "Rename img0020.jpg"),
        ("image20 copy.jpg", "Rename image20 copy.jpg"),
        ("img120.jpg", "Copy the clip again"),
        ("img201.jpg", "Copy the clip again"),
    ],
)
def test_a_renamed_frame_is_found(tmp_path: Path, name: str, remedy: str) -> None:
    touch_frames(tmp_path, "img{}.jpg", range(1, 10))
    (tmp_path / name).touch()
    message = str(no_frame_near(f"{CLIP}: apex", 20, 9, tuple(range(1, 10)), tmp_path))
    assert message.startswith(f"{CLIP}: apex: no frame 20 in {tmp_path} (found 1–9, nearest 9). {remedy}")
