import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.preprocessing.frame_spool import FrameSpool

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 3, 4), dtype=np.uint8)


def test_frames_come_back_as_they_were_also_between_additions_and_from_slices() -> None:
    spool = FrameSpool()
    for frame in FRAMES[:4]:
        spool.append(frame)
    assert np.array_equal(spool[0], FRAMES[0])
    part = spool[1:3]
    spool.append(FRAMES[4])
    assert np.array_equal(np.stack(list(spool)), FRAMES)
    assert np.array_equal(np.stack(list(part)), FRAMES[1:3])
    assert np.array_equal(part[-1], FRAMES[2])
    assert np.array_equal(np.stack(list(part.select([1, 1, 0]))), FRAMES[[2, 2, 1]])
    with pytest.raises(IndexError):
        part[2]


def test_a_full_disk_is_an_error_with_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    class Full:
        def seek(self, _: int) -> None: ...

        def close(self) -> None: ...

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with pytest.raises(StorageError, match=str(tmp_path)):
        FrameSpool().append(FRAMES[0])
