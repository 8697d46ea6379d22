import shutil
from pathlib import Path

import numpy as np
import pytest

from fakes import replace_flow
from microfacial.pipeline.doctor import examine
from microfacial.pipeline.suspicious_clips import find_suspicious_faces, find_suspicious_flow
from microfacial.preprocessing.faces import FacesConfig
from microfacial.records import Face, FaceSource

CROPS = np.random.default_rng(0).integers(0, 256, (5, 2, 6, 6, 3), dtype=np.uint8)


def faces(*sources: FaceSource) -> list[Face]:
    return [
        Face(clip=f"clip{index}", transform=np.eye(2, 3), boxes=((0, 0, 1, 1),), source=source, confidence=None)
        for index, source in enumerate(sources)
    ]


def test_template_faces_are_listed_in_one_line_unless_the_settings_demand_them() -> None:
    located = faces("template", "landmarks", "template", "template", "template")
    (line,) = find_suspicious_faces(located, CROPS, FacesConfig())
    assert "template" in line
    assert " 4 of 5 clips: clip0, clip2, clip3 and 1 more." in line
    assert find_suspicious_faces(located, CROPS, FacesConfig(method="template")) == []


def test_equal_and_blank_pictures_are_listed_by_kind() -> None:
    crops = CROPS.copy()
    crops[1, 1] = crops[1, 0]
    crops[3, 0] = 7
    blank, equal = find_suspicious_faces(
        faces("landmarks", "landmarks", "landmarks", "landmarks", "landmarks"), crops, FacesConfig()
    )
    assert "blank picture at onset or apex in 1 of 5 clips: clip3." in blank
    assert "same picture at onset and apex in 1 of 5 clips: clip1." in equal


def test_the_onset_and_the_apex_of_a_map_are_the_same_picture() -> None:
    crops = np.repeat(CROPS[:, :1], 2, axis=1)
    assert (
        find_suspicious_faces(
            faces("whole", "whole", "whole", "whole", "whole"), crops, FacesConfig(method="whole", regions="grid-28")
        )
        == []
    )


def test_clips_without_any_motion_to_the_apex_are_listed() -> None:
    flow = np.ones((3, 5, 2, 4, 4), np.float16)
    flow[1, 0] = 0  # onset to apex
    flow[2, 4] = 0  # the apex is the offset
    (line,) = find_suspicious_flow(["a", "b", "c"], flow)
    assert line.startswith("flow of exactly zero from onset to apex in 1 of 3 clips: b.")


def test_doctor_warns_of_suspicious_clips_and_does_not_fail(
    computed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(computed, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(root)
    path = Path("results/tiny/flow/flow.npy")
    flow = np.load(path)
    flow[2] = 0
    replace_flow(path, flow)
    (result,) = (result for result in examine() if result.subject == "faces and flow")
    assert (result.word, result.sound) == ("warn", True)
    assert "flow of exactly zero from onset to apex in 1 of 12 clips" in result.detail
