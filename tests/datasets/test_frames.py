import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fakes import make_clip, texture
from microfacial.datasets.frames import (
    count_frames,
    digest_frames,
    find_frames,
    find_pattern,
    frame_files,
    open_clip,
    read_fps,
    read_frames,
    read_image,
    stream_clip,
)
from microfacial.errors import DatasetError

GREY_STEP = 15  # between a test video's frames: more than any codec here blurs
Write = Callable[[str, int], Path]


def encode(ending: str, image: NDArray[Any]) -> bytes:
    done, content = cv2.imencode(ending, image)
    assert done
    return content.tobytes()


def encode_pillow(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def number_of(frame: NDArray[np.uint8]) -> int:
    """Which frame of a test video this is, by its grey."""
    return round((float(frame.mean()) - 20) / GREY_STEP) + 1


@pytest.fixture
def write_video(tmp_path: Path) -> Write:
    """Write a video whose frame n is grey 20 + 15 (n - 1), 64×48 px, 25 frames a second."""

    def write(name: str, count: int) -> Path:
        images = [np.full((48, 64, 3), 20 + GREY_STEP * number, np.uint8) for number in range(count)]
        path = tmp_path / name
        if path.suffix == ".gif":
            pictures = [Image.fromarray(image) for image in images]
            pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
            return path
        code = "MJPG" if path.suffix == ".avi" else "mp4v"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25.0, (64, 48))
        for image in images:
            writer.write(image)
        writer.release()
        return path

    return write


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_lossless_picture_is_read_as_it_was_written(tmp_path: Path, ending: str, channels: int) -> None:
    image = texture(48, 64)
    if channels == 3:
        image[..., 2] //= 2
    (tmp_path / f"1{ending}").write_bytes(encode(ending, image if channels == 3 else image[..., 0]))
    assert np.array_equal(read_image(tmp_path / f"1{ending}"), image)


def test_a_missing_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no frame .*img2\.jpg"):
        read_image(tmp_path / "img2.jpg")


@pytest.mark.parametrize("content", [b"", b"hello, no picture", b"\xff\xd8 truncated", b"BM"])
def test_what_is_no_picture_is_refused_never_zero(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.jpg").write_bytes(content)
    with pytest.raises(DatasetError, match=r"1\.jpg cannot be read as an image"):
        read_image(tmp_path / "1.jpg")


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".tiff", ".webp", ".gif", ".ppm"])
@pytest.mark.parametrize("kept", [0.3, 0.95])
def test_a_picture_that_is_cut_short_is_refused_not_filled_with_grey(tmp_path: Path, ending: str, kept: float) -> None:
    content = encode(ending, texture(64, 48))
    path = tmp_path / f"1{ending}"
    path.write_bytes(content)
    assert read_image(path).shape == (64, 48, 3)
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DatasetError, match="cannot be read as an image"):
        read_image(path)


def test_16_bit_levels_are_scaled_from_the_full_range(tmp_path: Path) -> None:
    levels = np.array([[0, 128, 129, 257, 25700, 65535]], np.uint16)  # 128 is just below half a level of 8 bits
    for name, image in {"grey": levels, "colour": np.repeat(levels[..., None], 3, axis=2)}.items():
        (tmp_path / f"{name}.png").write_bytes(encode(".png", image))
        assert read_image(tmp_path / f"{name}.png")[0, :, 0].tolist() == [0, 0, 1, 1, 100, 255]


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_a_16_bit_file_are_refused_not_shown_black(tmp_path: Path, bits: int) -> None:
    levels = np.linspace(0, (1 << bits) - 1, 64).astype(np.uint16).reshape(8, 8)
    (tmp_path / "1.png").write_bytes(encode(".png", levels))
    with pytest.raises(DatasetError, match=f"seems to hold {bits}-bit levels. Scale them"):
        read_image(tmp_path / "1.png")


def test_floating_point_levels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1.tiff").write_bytes(encode(".tiff", np.ones((4, 4, 3), np.float32)))
    with pytest.raises(DatasetError, match="float32, neither 8 nor 16 bits"):
        read_image(tmp_path / "1.tiff")


@pytest.mark.parametrize("levels", ["uint8", "uint16"])
def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path: Path, levels: str) -> None:
    image = np.full((4, 4, 4), np.iinfo(levels).max, levels)
    image[..., 0] = 0
    (tmp_path / "1.png").write_bytes(encode(".png", image))
    assert read_image(tmp_path / "1.png")[0, 0].tolist() == [0, 255, 255]
    image[2, 2, 3] -= 1
    (tmp_path / "1.png").write_bytes(encode(".png", image))
    with pytest.raises(DatasetError, match="transparent parts"):
        read_image(tmp_path / "1.png")


def test_a_palette_is_resolved_and_its_transparent_colour_refused(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 4), (10, 20, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    (tmp_path / "1.png").write_bytes(encode_pillow(picture, "PNG"))
    assert read_image(tmp_path / "1.png")[0, 0].tolist() == [30, 20, 10]
    (tmp_path / "1.png").write_bytes(encode_pillow(picture, "PNG", transparency=picture.getpixel((0, 0))))
    with pytest.raises(DatasetError, match="transparent parts"):
        read_image(tmp_path / "1.png")


def test_the_unused_fourth_byte_of_a_32_bit_bitmap_is_no_transparency(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[..., :3] = 10, 20, 30
    header = struct.pack("<2sIHHI", b"BM", 54 + pixels.nbytes, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 32, 0, pixels.nbytes, 0, 0, 0, 0)
    (tmp_path / "1.bmp").write_bytes(header + pixels.tobytes())
    assert read_image(tmp_path / "1.bmp").tolist() == pixels[..., :3].tolist()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_a_picture_is_turned_as_its_exif_data_say(tmp_path: Path, form: str) -> None:
    orientation = Image.Exif()
    orientation[0x112] = 6  # show turned to the right by 90°
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, :16] = 250  # bright on the left, which comes to lie at the top
    (tmp_path / "1").write_bytes(encode_pillow(Image.fromarray(image), form, exif=orientation))
    turned = read_image(tmp_path / "1")
    assert turned.shape == (32, 16, 3)
    assert turned[:14].min() > 230
    assert turned[18:].max() < 20


def test_a_cmyk_jpeg_has_the_colours_it_was_made_from(tmp_path: Path) -> None:
    picture = Image.new("RGB", (16, 16), (200, 100, 50)).convert("CMYK")
    (tmp_path / "1.jpg").write_bytes(encode_pillow(picture, "JPEG", quality=95))
    assert read_image(tmp_path / "1.jpg")[8, 8].tolist() == pytest.approx([50, 100, 200], abs=3)


# --- folders ----------------------------------------------------------------------------------------------------------


def test_frames_of_a_clip_are_read_by_number(tmp_path: Path) -> None:
    for number in (9, 10, 11):
        (tmp_path / f"img{number:05d}.png").write_bytes(encode(".png", texture(16, 16, number)))
    clip = make_clip(frames="img{:05d}.png", numbers=(9, 10, 11))
    frames = read_frames(clip, tmp_path, (11, 9, 9))
    assert list(frames) == [9, 11]
    assert np.array_equal(frames[11], texture(16, 16, 11))


def test_frames_of_two_sizes_in_one_clip_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(encode(".png", texture(64, 48)))
    (tmp_path / "2.png").write_bytes(encode(".png", texture(32, 24)))
    with pytest.raises(DatasetError, match=r"2\.png is 24×32, but frame 1 of its clip is 48×64"):
        read_frames(make_clip(frames="{}.png"), tmp_path, (1, 2))


def test_a_single_picture_is_its_own_clip(tmp_path: Path) -> None:
    (tmp_path / "map .png").write_bytes(encode(".png", texture(28, 28)))
    assert list(read_frames(make_clip(frames="map .png", numbers=(0,)), tmp_path, (0,))) == [0]


def test_frames_are_found_and_sorted_by_the_last_integer_in_their_names(tmp_path: Path) -> None:
    for name in ("take2_img9.JPG", "take2_img10.JPG", "notes.txt", "._take2_img9.JPG"):
        (tmp_path / name).touch()
    recording = open_clip(tmp_path)
    assert recording.numbers == (9, 10)
    assert recording.fps is None
    assert [path.name for path in frame_files(recording, recording.root, (10, 9))] == [
        "take2_img10.JPG",
        "take2_img9.JPG",
    ]


def test_padded_and_unpadded_names_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "img007.png").touch()
    (tmp_path / "img010.png").touch()
    assert find_pattern(tmp_path, (".png",), absent="") == "img{:03d}.png"
    assert find_frames(tmp_path, "img{:03d}.png") == (7, 10)
    assert find_frames(tmp_path, "img{}.png") == ()


def test_a_folder_without_frames_or_with_two_kinds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no frames"):
        open_clip(tmp_path)
    (tmp_path / "a1.png").touch()
    (tmp_path / "b1.png").touch()
    with pytest.raises(DatasetError, match=r"mixes frames a<N>\.png and b<N>\.png"):
        open_clip(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "notes.txt"])
def test_what_is_neither_folder_nor_video_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=f"{name} is no folder of frames and no video"):
        open_clip(tmp_path / name)


def test_a_digest_changes_with_any_frame_and_not_with_others(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number}.png").write_bytes(bytes([number]))
    clip = make_clip(frames="{}.png", numbers=(1, 2))
    first = digest_frames(clip, tmp_path)
    (tmp_path / "3.png").write_bytes(b"other")
    assert digest_frames(clip, tmp_path) == first
    assert len(first) == 16
    (tmp_path / "2.png").write_bytes(b"other")
    assert digest_frames(clip, tmp_path) != first
    (tmp_path / "1.png").unlink()
    with pytest.raises(DatasetError, match=r"no frame .*1\.png"):
        digest_frames(clip, tmp_path)


# --- videos -----------------------------------------------------------------------------------------------------------

VIDEOS = ["a.mp4", "a.MOV", "a.avi", "a.gif"]


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_gives_exactly_the_frames_asked_for(write_video: Write, name: str) -> None:
    path = write_video(name.lower(), 12).rename(write_video(name.lower(), 12).with_name(name))
    recording = open_clip(path)
    assert recording.numbers == tuple(range(1, 13))
    assert recording.fps == 25.0
    for wanted in ((1, 12), (7,), (5, 4, 11)):
        frames = read_frames(recording, recording.root, wanted)
        assert {number: number_of(frame) for number, frame in frames.items()} == {n: n for n in wanted}
        assert list(frames) == sorted(wanted)
    assert len(list(stream_clip(recording, recording.root, recording.numbers))) == 12


def test_a_clip_may_be_part_of_a_video(write_video: Write) -> None:
    path = write_video("a.avi", 8)
    clip = make_clip(frames=path.name, numbers=(3, 4, 5))
    assert number_of(read_frames(clip, path.parent, clip.numbers)[4]) == 4
    assert frame_files(clip, path.parent, clip.numbers) == [path]


@pytest.mark.parametrize("wanted", [(0, 1), (8, 9)])
def test_a_frame_that_a_video_lacks_is_refused(write_video: Write, wanted: tuple[int, ...]) -> None:
    path = write_video("a.mp4", 8)
    with pytest.raises(DatasetError, match=r"a\.mp4 has no frame [09]: its frames are 1–8"):
        read_frames(make_clip(frames=path.name), path.parent, wanted)


@pytest.mark.parametrize("name", [name.lower() for name in VIDEOS])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_video_that_is_cut_short_is_refused(write_video: Write, name: str, kept: float) -> None:
    path = write_video(name, 8)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    for use in (count_frames, read_fps, open_clip, lambda path: read_frames(make_clip(frames=name), path.parent, (1,))):
        with pytest.raises(DatasetError, match="is cut short"):
            use(path)


def test_a_video_with_a_damaged_frame_is_not_taken_for_a_shorter_one(write_video: Write) -> None:
    path = write_video("a.avi", 8)
    content = bytearray(path.read_bytes())
    start = -1
    for _ in range(5):
        start = content.index(b"00dc", start + 1)
    length = int.from_bytes(content[start + 4 : start + 8], "little")
    content[start + 8 : start + 8 + length] = bytes(length)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"damaged: only \d of 8 frames"):
        open_clip(path)
    with pytest.raises(DatasetError, match="or it is damaged"):
        read_frames(make_clip(frames="a.avi"), path.parent, (7,))


@pytest.mark.parametrize(("name", "complaint"), [("a.avi", "without frames"), ("a.mp4", "cannot be read as a video")])
def test_a_video_without_frames_is_refused(write_video: Write, name: str, complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint):
        open_clip(write_video(name, 0))


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.gif"])
def test_a_text_is_no_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello, no video" * 9)
    with pytest.raises(DatasetError, match="cannot be read as a video"):
        open_clip(tmp_path / name)
    with pytest.raises(DatasetError, match="no video"):
        count_frames(tmp_path / "none.avi")


def test_a_video_is_turned_as_its_rotation_says(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (64, 48))
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = 240
    writer.write(image)
    writer.release()
    upright, quarter_turn = (0x10000, 0, 0, 0, 0x10000), (0, 0x10000, 0, -0x10000, 0)
    content = path.read_bytes()
    header = content.index(b"tkhd")
    tail = content[header:].replace(struct.pack(">5i", *upright), struct.pack(">5i", *quarter_turn), 1)
    path.write_bytes(content[:header] + tail)
    turned = read_frames(make_clip(frames="a.mp4"), tmp_path, (1,))[1]
    assert turned.shape == (64, 48, 3)
    assert turned[:28].min() > 200
    assert turned[36:].max() < 40


def test_the_rate_of_a_video_is_its_own(write_video: Write) -> None:
    assert read_fps(write_video("a.mp4", 3)) == 25.0


def test_numbers_of_two_paddings_are_refused(tmp_path: Path) -> None:
    for name in ("006_0016.jpg", "006_00010.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"different zero-padding, 006_0016\.jpg and 006_00010\.jpg"):
        find_pattern(tmp_path, (".jpg",), absent="")


def test_what_may_not_be_read_is_refused_with_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a1.png").touch()

    def refuse(path: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DatasetError, match=r"a1\.png cannot be read: Permission denied"):
        read_image(tmp_path / "a1.png")
    with pytest.raises(DatasetError, match=f"{tmp_path.name} cannot be read: Permission denied"):
        find_frames(tmp_path, "a{}.png")
    with pytest.raises(DatasetError, match=f"{tmp_path.name} cannot be read: Permission denied"):
        open_clip(tmp_path)
