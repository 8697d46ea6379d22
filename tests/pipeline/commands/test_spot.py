import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_films import FACE, FPS, WALL, draw_face, smile, write_film

from command_line import run
from microfacial.datasets.image_files import read_image


def write_recording(folder: Path, video: str) -> None:
    """Write 30 frames of a face into a folder and into a video with 40 frames per second. A smile peaks in frame 15."""
    frames = [draw_face(strength) for strength in smile(30, 14, height_px=3.0)]
    write_film(folder, frames)
    writer = cv2.VideoWriter(video, cv2.VideoWriter.fourcc(*"MJPG"), FPS, frames[0].shape[1::-1])
    for number in range(1, 31):
        writer.write(read_image(folder / f"img{number}.png"))
    writer.release()


def test_a_movement_is_spotted_in_a_video_and_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / "frames", "raw.avi")
    assert run(monkeypatch, "spot", "raw.avi") == 0
    line = re.compile(r"spot: onset (\d+) \((.*) s\), apex (\d+) \((.*) s\), offset (\d+) \((.*) s\)\n")
    match = line.match(capsys.readouterr().out)
    assert match is not None
    onset, apex, offset = (int(match[group]) for group in (1, 3, 5))
    assert abs(apex - 15) <= 1
    assert 7 <= onset < apex < offset <= 22
    assert match[4] == f"{(apex - 1) / FPS:.3f}"
    assert run(monkeypatch, "spot", "frames", "--fps", "40", "--json") == 0
    fields = json.loads(capsys.readouterr().out)
    assert [fields[name]["frame"] for name in ("onset", "apex", "offset")] == [onset, apex, offset]
    assert fields["path"] == "frames"
    assert fields["fps"] == FPS
    assert fields["apex"]["seconds"] == pytest.approx((apex - 1) / FPS)
    assert fields["further_peaks"] == []
    assert capsys.readouterr().err == ""
    assert run(monkeypatch, "spot", "frames", "--fps", "15") == 0
    assert "15 per second" in capsys.readouterr().err
    (tmp_path / "frames" / "img3.png").unlink()
    run(monkeypatch, "spot", "frames", "--fps", "40")
    assert "between 2 and 4" in capsys.readouterr().err
    assert run(monkeypatch, "spot", "frames") == 2  # no rate is assumed, because durations depend on it
    assert re.fullmatch(r"microfacial: frames: .*--fps.*\n", capsys.readouterr().err)


@pytest.mark.parametrize("path", ["nowhere", "empty", "a.avi"])
def test_a_path_without_frames_gives_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("a.avi").touch()
    assert run(monkeypatch, "spot", path) == 2
    message = capfd.readouterr().err
    assert message.startswith("microfacial: ")
    assert path in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("seed", range(6))
def test_noise_gives_no_frame_numbers_but_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(seed)
    write_film(Path("noise"), [random.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(10)])
    assert run(monkeypatch, "spot", "noise", "--fps", "40") == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("microfacial: noise: ")
    assert output.err.count("\n") == 1


def test_the_choice_among_two_faces_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_film(Path("pair"), [np.hstack([FACE, WALL[:, :40], FACE])] * 6)
    assert run(monkeypatch, "spot", "pair", "--fps", "40") == 2  # nothing moves
    choice, reason = capsys.readouterr().err.splitlines()
    assert "spot: 2 faces" in choice
    assert reason.startswith("microfacial: pair: ")
