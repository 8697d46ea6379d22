import io
import re
import struct
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fakes import make_clip, texture
from microfacial.datasets.folders import find_frames
from microfacial.datasets.frames import (
    Recording,
    digest_frames,
    find_gap,
    frame_files,
    frame_times,
    open_clip,
    read_frames,
)
from microfacial.datasets.image_files import read_image
from microfacial.errors import DatasetError


def encode(extension: str, image: NDArray[Any]) -> bytes:
    done, content = cv2.imencode(extension, image)
    assert done
    return content.tobytes()


def encode_pillow(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_lossless_image_is_read_unchanged(tmp_path: Path, extension: str, channels: int) -> None:
    image = texture(48, 64)
    if channels == 3:
        image[..., 2] //= 2
    (tmp_path / f"1{extension}").write_bytes(encode(extension, image if channels == 3 else image[..., 0]))
    assert np.array_equal(read_image(tmp_path / f"1{extension}"), image)


def test_a_missing_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"img2\.jpg"):
        read_image(tmp_path / "img2.jpg")


@pytest.mark.parametrize("content", [b"", b"hello, no image", b"\xff\xd8 truncated", b"BM"])
def test_a_file_that_is_not_an_image_is_refused_and_never_read_as_zeros(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.jpg").write_bytes(content)
    with pytest.raises(DatasetError, match=r"1\.jpg .*image"):
        read_image(tmp_path / "1.jpg")


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".tiff", ".webp", ".gif", ".ppm"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_truncated_image_is_refused_and_not_filled_with_grey(tmp_path: Path, extension: str, share: float) -> None:
    content = encode(extension, texture(64, 48))
    path = tmp_path / f"1{extension}"
    path.write_bytes(content)
    assert read_image(path).shape == (64, 48, 3)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DatasetError, match=re.escape(path.name)):
        read_image(path)


def test_16_bit_levels_are_scaled_from_the_full_range(tmp_path: Path) -> None:
    levels = np.array([[0, 128, 129, 257, 25700, 65535]], np.uint16)  # 128 is just below half of an 8-bit level
    for name, image in {"grey": levels, "colour": np.repeat(levels[..., None], 3, axis=2)}.items():
        (tmp_path / f"{name}.png").write_bytes(encode(".png", image))
        assert read_image(tmp_path / f"{name}.png")[0, :, 0].tolist() == [0, 0, 1, 1, 100, 255]


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_unscaled_levels_of_fewer_bits_in_a_16_bit_file_are_refused(tmp_path: Path, bits: int) -> None:
    levels = np.linspace(0, (1 << bits) - 1, 64).astype(np.uint16).reshape(8, 8)
    (tmp_path / "1.png").write_bytes(encode(".png", levels))
    with pytest.raises(DatasetError, match=rf"1\.png .*{bits}-bit"):
        read_image(tmp_path / "1.png")


def test_floating_point_levels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1.tiff").write_bytes(encode(".tiff", np.ones((4, 4, 3), np.float32)))
    with pytest.raises(DatasetError, match=r"1\.tiff .*float32"):
        read_image(tmp_path / "1.tiff")


@pytest.mark.parametrize("levels", ["uint8", "uint16"])
def test_an_opaque_alpha_channel_is_dropped_and_transparency_is_refused(tmp_path: Path, levels: str) -> None:
    image = np.full((4, 4, 4), np.iinfo(levels).max, levels)
    image[..., 0] = 0
    (tmp_path / "1.png").write_bytes(encode(".png", image))
    assert read_image(tmp_path / "1.png")[0, 0].tolist() == [0, 255, 255]
    image[2, 2, 3] -= 1
    (tmp_path / "1.png").write_bytes(encode(".png", image))
    with pytest.raises(DatasetError, match=r"1\.png .*transparent"):
        read_image(tmp_path / "1.png")


def test_a_palette_is_resolved_and_its_transparent_colour_is_refused(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 4), (10, 20, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    (tmp_path / "1.png").write_bytes(encode_pillow(picture, "PNG"))
    assert read_image(tmp_path / "1.png")[0, 0].tolist() == [30, 20, 10]
    (tmp_path / "1.png").write_bytes(encode_pillow(picture, "PNG", transparency=picture.getpixel((0, 0))))
    with pytest.raises(DatasetError, match=r"1\.png .*transparent"):
        read_image(tmp_path / "1.png")


def test_the_unused_fourth_byte_of_a_32_bit_bitmap_is_not_transparency(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[..., :3] = 10, 20, 30
    header = struct.pack("<2sIHHI", b"BM", 54 + pixels.nbytes, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 32, 0, pixels.nbytes, 0, 0, 0, 0)
    (tmp_path / "1.bmp").write_bytes(header + pixels.tobytes())
    assert read_image(tmp_path / "1.bmp").tolist() == pixels[..., :3].tolist()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_an_image_is_rotated_by_its_exif_orientation(tmp_path: Path, form: str) -> None:
    orientation = Image.Exif()
    orientation[0x112] = 6  # to be shown rotated by 90° to the right
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, :16] = 250  # bright on the left, which becomes the top
    (tmp_path / "1").write_bytes(encode_pillow(Image.fromarray(image), form, exif=orientation))
    turned = read_image(tmp_path / "1")
    assert turned.shape == (32, 16, 3)
    assert turned[:14].min() > 230
    assert turned[18:].max() < 20


def test_a_cmyk_jpeg_is_read_with_its_original_colours(tmp_path: Path) -> None:
    picture = Image.new("RGB", (16, 16), (200, 100, 50)).convert("CMYK")
    (tmp_path / "1.jpg").write_bytes(encode_pillow(picture, "JPEG", quality=95))
    assert read_image(tmp_path / "1.jpg")[8, 8].tolist() == pytest.approx([50, 100, 200], abs=3)


# --- clips ------------------------------------------------------------------------------------------------------------


def test_frames_of_a_clip_are_read_by_number(tmp_path: Path) -> None:
    for number in (9, 10, 11):
        (tmp_path / f"img{number:05d}.png").write_bytes(encode(".png", texture(16, 16, number)))
    clip = make_clip(frames="img{:05d}.png", numbers=(9, 10, 11))
    frames = read_frames(clip, tmp_path, (11, 9, 9))
    assert list(frames) == [9, 11]
    assert np.array_equal(frames[11], texture(16, 16, 11))


def test_a_clip_with_frames_of_two_sizes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(encode(".png", texture(64, 48)))
    (tmp_path / "2.png").write_bytes(encode(".png", texture(32, 24)))
    with pytest.raises(DatasetError, match=r"2\.png .*24×32.*frame 1 .*48×64"):
        read_frames(make_clip(frames="{}.png"), tmp_path, (1, 2))


def test_a_single_image_can_be_a_clip(tmp_path: Path) -> None:
    (tmp_path / "map .png").write_bytes(encode(".png", texture(28, 28)))
    assert list(read_frames(make_clip(frames="map .png", numbers=(0,)), tmp_path, (0,))) == [0]


def test_frames_of_a_folder_are_sorted_by_the_last_integer_in_their_names(tmp_path: Path) -> None:
    for name in ("take2_img9.JPG", "take2_img10.JPG", "notes.txt", "._take2_img9.JPG"):
        (tmp_path / name).touch()
    recording = open_clip(tmp_path)
    assert recording.numbers == (9, 10)
    assert recording.fps is None
    assert [path.name for path in frame_files(recording, recording.root, (10, 9))] == [
        "take2_img10.JPG",
        "take2_img9.JPG",
    ]


@pytest.mark.parametrize(
    ("numbers", "steps", "gap"),
    [
        ((7, 8, 9), (0, 1, 2), ""),
        ((2, 4, 6), (0, 1, 2), ""),
        ((0, 33, 67, 100), (0, 1, 67 / 33, 100 / 33), ""),
        ((*range(1, 12), 15, 16), (*range(11), 14, 15), "11 and 15"),
        ((1, 2, 4, 5, 7, 8, 10, 11), range(8), ""),  # two frames of three are kept
        ((5,), (0,), ""),
    ],
)
def test_missing_numbers_in_a_folder_count_as_time(
    tmp_path: Path, numbers: tuple[int, ...], steps: tuple[float, ...], gap: str
) -> None:
    recording = Recording(root=tmp_path, frames="img{}.png", numbers=numbers, fps=None)
    assert frame_times(recording, 10.0) == pytest.approx(
        {number: step / 10 for number, step in zip(numbers, steps, strict=True)}
    )
    assert bool(gap) == bool(find_gap(recording))
    assert gap in find_gap(recording)


def test_a_folder_without_frames_or_with_two_patterns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=tmp_path.name):
        open_clip(tmp_path)
    (tmp_path / "a1.png").touch()
    (tmp_path / "b1.png").touch()
    with pytest.raises(DatasetError, match=r"a<N>\.png .*b<N>\.png"):
        open_clip(tmp_path)


def test_names_with_the_placeholder_of_frame_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a{}1.png").touch()
    with pytest.raises(DatasetError, match="Rename"):
        open_clip(tmp_path)


def test_a_missing_frame_is_explained_by_the_files_next_to_its_place(tmp_path: Path) -> None:
    for place, remedies in ((tmp_path, ("Copy",)), (tmp_path / "s1", ("no folder", "s1", "name"))):
        with pytest.raises(DatasetError, match=".*".join((r"img12\.jpg", *remedies))):
            read_image(place / "img12.jpg")
    (tmp_path / "img12.JPG").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"img12\.jpg\. Rename img12\.JPG"):
        read_image(tmp_path / "img12.jpg")


def test_a_missing_frame_is_not_explained_by_its_neighbours(tmp_path: Path) -> None:
    """Renaming a neighbour would destroy the order of the frames."""
    for name in ("img11.jpg", "img13.jpg", "img112.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"img12\.jpg\. Copy it again from the release or list"):
        read_image(tmp_path / "img12.jpg")


@pytest.mark.parametrize("name", ["nowhere", "notes.txt"])
def test_a_path_that_is_neither_folder_nor_video_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=name):
        open_clip(tmp_path / name)


def test_a_digest_depends_on_the_frames_of_the_clip_only(tmp_path: Path) -> None:
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
    with pytest.raises(DatasetError, match=r"1\.png"):
        digest_frames(clip, tmp_path)


def test_files_and_folders_without_permission_are_refused_with_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a1.png").touch()

    def refuse(path: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DatasetError, match=r"a1\.png .*Permission denied"):
        read_image(tmp_path / "a1.png")
    with pytest.raises(DatasetError, match=f"{tmp_path.name} .*Permission denied"):
        find_frames(tmp_path, "a{}.png")
    with pytest.raises(DatasetError, match=f"{tmp_path.name} .*Permission denied"):
        open_clip(tmp_path)
