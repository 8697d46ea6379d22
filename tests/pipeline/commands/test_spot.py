import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from command_line import run
from fakes import texture


def write_recording(folder: Path, video: str) -> None:
    """Write 30 frames into a video and into a folder. A patch moves down by 3 px and back around frame 15."""
    folder.mkdir()
    skin, (y, x) = texture(112, 112), np.mgrid[:112, :112].astype(np.float32)
    bump = np.exp(-((x - 35) ** 2 + (y - 80) ** 2) / 200)
    writer = cv2.VideoWriter(video, cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (112, 112))
    for number in range(1, 31):
        down = 3 * max(0, 1 - abs(number - 15) / 5) * bump
        frame = cv2.remap(skin, x, (y + down).astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        writer.write(frame)
        cv2.imwrite(str(folder / f"img{number}.png"), frame)
    writer.release()


def test_a_movement_is_spotted_in_a_video_and_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / "frames", "raw.avi")
    line = re.compile(r"spot: onset (\d+) \((.*) s\), apex (\d+) \((.*) s\), offset (\d+) \((.*) s\)\n")
    for arguments in (["raw.avi"], ["frames", "--fps", "50"]):
        assert run(monkeypatch, "spot", *arguments) == 0
        match = line.match(capsys.readouterr().out)
        assert match is not None
        onset, apex, offset = (int(match[group]) for group in (1, 3, 5))
        assert abs(apex - 15) <= 1
        assert 8 <= onset < apex < offset <= 22
        assert match[4] == f"{(apex - 1) / 50:.3f}"
        assert run(monkeypatch, "spot", "--json", *arguments) == 0
        fields = json.loads(capsys.readouterr().out)
        assert [fields[name]["frame"] for name in ("onset", "apex", "offset")] == [onset, apex, offset]
        assert fields["path"] == arguments[0]
        assert fields["fps"] == 50
        assert fields["apex"]["seconds"] == pytest.approx((apex - 1) / 50)
        assert fields["further_peaks"] == []
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
