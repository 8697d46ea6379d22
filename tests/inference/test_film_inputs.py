"""The films that a name stands for."""

from pathlib import Path

import pytest

from microfacial.errors import DatasetError
from microfacial.inference.film_inputs import find_films


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.AVI", "notes.txt", ".hidden.mp4", "deep/c.mkv", "frames/img1.png", "frames/img2.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def test_a_folder_of_films_stands_for_its_videos_and_its_folders_of_frames(films: Path) -> None:
    expected = [films / name for name in ("a.AVI", "b.mp4", "deep/c.mkv", "frames")]
    assert find_films([str(films)]) == expected


def test_a_folder_of_frames_is_a_film(films: Path) -> None:
    assert find_films([str(films / "frames")]) == [films / "frames"]


def test_a_pattern_stands_for_its_matches(films: Path) -> None:
    assert find_films([f"{films}/*.mp4", f"{films}/**/*.mkv"]) == [films / "b.mp4", films / "deep" / "c.mkv"]


def test_a_name_with_brackets_is_a_file_if_it_exists(films: Path) -> None:
    (films / "take[1].mp4").write_bytes(b"")
    assert find_films([str(films / "take[1].mp4")]) == [films / "take[1].mp4"]


def test_each_film_is_returned_once_and_a_missing_one_as_it_is(films: Path) -> None:
    names = [str(films / "b.mp4"), str(films / "b.mp4"), str(films / "gone*.mp4")]
    assert find_films(names) == [films / "b.mp4", films / "gone*.mp4"]


def test_an_empty_folder_is_returned_as_it_is(tmp_path: Path) -> None:
    assert find_films([str(tmp_path)]) == [tmp_path]


def test_films_beside_a_cover_and_in_linked_folders_are_found(tmp_path: Path) -> None:
    for name in ("films/cover.jpg", "films/one/a.mp4", "elsewhere/b.mp4", "elsewhere/deep/c.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    folder = tmp_path / "films"
    (folder / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "one" / "back").symlink_to(folder, target_is_directory=True)
    expected = [folder / name for name in ("linked/b.mp4", "linked/deep/c.mp4", "one/a.mp4")]
    assert find_films([str(folder)]) == expected


@pytest.mark.parametrize(("pictures", "is_film"), [(2, False), (3, True)])
def test_frames_beside_a_video_are_a_film_if_they_are_several(tmp_path: Path, pictures: int, is_film: bool) -> None:
    for name in ("a.mp4", *(f"img{number}.png" for number in range(pictures))):
        (tmp_path / name).write_bytes(b"")
    assert find_films([str(tmp_path)]) == [tmp_path] * is_film + [tmp_path / "a.mp4"]


def test_pictures_with_the_names_of_videos_are_no_film(tmp_path: Path) -> None:
    for number in range(4):
        for suffix in (".mp4", ".png"):
            (tmp_path / f"x{number}{suffix}").write_bytes(b"")
    assert find_films([str(tmp_path)]) == [tmp_path / f"x{number}.mp4" for number in range(4)]


def test_a_film_that_links_lead_to_is_found_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.mp4").write_bytes(b"")
    (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "y.mp4").symlink_to(tmp_path / "a" / "x.mp4")
    assert find_films([str(tmp_path)]) == [tmp_path / "a" / "x.mp4"]


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(DatasetError, match="empty"):
        find_films(["a.mp4", ""])
