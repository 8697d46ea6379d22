"""No cell of a table, and no name on disk, makes a reader read outside of the folder of its corpus."""

from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import DATASETS, ClipsConfig, list_clips
from microfacial.datasets.annotations import Annotation
from microfacial.datasets.clips import make_clip
from microfacial.errors import DatasetError

Write = Callable[..., None]
CASME2 = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"]
SAMM = ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion"]
CASME3 = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"]
CASME = ["Subject", "Filename", "OnsetF", "ApexF1", "OffsetF", "AU", "Emotion"]
CASME3_C = ["sub", "count", "onset", "apex", "offset", "au", "emotion"]
DFME = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Fps", "Emotion", "AU"]
FOURDME = ["sub_ID", "fold_name", "Onset", "Apex", "Offset", "AUs", "Emotion"]
SMIC_E = ["Subject", "Filename", "OnsetF", "ApexF", "OffsetF", "FirstF", "Emotion"]
TABLES = {  # table and header, and a row whose cells lead to the frames in the folder `outside`
    "casme2": ("CASME2-coding-2019.xlsx", CASME2),
    "samm": ("SAMM_Micro_FACS_Codes_v2.xlsx", SAMM),
    "casme3": ("cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", CASME3),
    "mmew": ("MMEW_Micro_Exp.xlsx", CASME2),
    "4dme": ("4DME_Labelling_Micro_release v1.xlsx", FOURDME),
    "casme": ("CASME-coded-20190721.xlsx", CASME),
    "casme3_c": ("CAS(ME)3_part_C_ME.xlsx", CASME3_C),
    "dfme": ("training_full_with_AU.xlsx", DFME),
    "smic_e_hs": ("SMIC-HS-E_annotation.xlsx", SMIC_E),
}
SCHEMES = {
    "4dme": "4dme-5",
    "casme": "casme-4",
    "casme3_c": "casme3-4",
    "dfme": "dfme-7",
    "casme2": "casme2-5",
    "samm": "samm-5",
    "casme3": "casme3-7",
    "mmew": "mmew-4",
    "smic_e_hs": "megc2019-3",
}


def read(root: Path, corpus: str) -> object:
    config = {"name": "t", "corpora": (corpus,), "root": str(root), "scheme": SCHEMES[corpus]}
    return list_clips(ClipsConfig.model_validate(config))


@pytest.mark.parametrize("corpus", TABLES)
@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("1", "../../outside"),
        ("1", "{outside}"),
        ("1", ".."),
        ("1", "C:outside"),
        ("1", "..\\outside"),
        ("../..", "outside"),
        ("{outside}", "a"),
        ("1", "a{}"),
    ],
)
def test_a_cell_that_leads_outside_is_refused_in_every_corpus(
    tmp_path: Path, corpus: str, subject: str, name: str
) -> None:
    table, header = TABLES[corpus]
    outside = tmp_path / "outside"
    for form in ("reg_img{}.jpg", "img{}.jpg", "image{:06d}.jpg", "{}.jpg"):
        touch_frames(outside, form, range(1, 6))
    folder = tmp_path / "root" / (DATASETS[corpus].folder)
    folder.mkdir(parents=True)
    book = Workbook()
    book.worksheets[0].append(header)
    cells = [cell.replace("{outside}", str(outside)) for cell in (subject, name)]
    book.worksheets[0].append([*cells, 1, 3, 5, 1, "surprise"])
    book.save(folder / table)
    with pytest.raises(DatasetError, match=r"row 2: ") as caught:
        read(tmp_path / "root", corpus)
    assert len(str(caught.value).splitlines()) == 1


def test_an_emotion_that_leads_outside_is_refused(tmp_path: Path) -> None:
    table, header = TABLES["mmew"]
    touch_frames(tmp_path / "outside/S01-07-001", "{}.jpg", range(1, 6))
    folder = tmp_path / "root/mmew"
    folder.mkdir(parents=True)
    book = Workbook()
    book.worksheets[0].append(header)
    book.worksheets[0].append([1, "S01-07-001", 1, 3, 5, 1, "../../../../outside"])
    book.save(folder / table)
    with pytest.raises(DatasetError, match=r"outside"):
        read(tmp_path / "root", "mmew")


@pytest.mark.parametrize("frames", ["../outside/{}.jpg", "/etc/{}.jpg", "a/../../b/{}.jpg", "a\0/{}.jpg", ""])
def test_no_reader_can_locate_frames_outside_of_the_release(tmp_path: Path, frames: str) -> None:
    row = Annotation(
        corpus="casme2",
        vocabulary="casme2",
        subject="sub01",
        name="a",
        emotion="others",
        action_units="",
        onset=1,
        apex=2,
        offset=3,
        fps=200.0,
    )
    with pytest.raises(DatasetError, match=r"casme2/sub01/a: .*not below"):
        make_clip(row, "", 3, folder=tmp_path / "root", locate=lambda _: frames)


def test_a_map_or_clip_folder_with_a_placeholder_in_its_name_is_refused(tmp_path: Path) -> None:
    touch_frames(tmp_path / "smic/HS/s1/micro/negative/a{}", "image{:06d}.bmp", range(1, 6))
    config = {"name": "t", "corpora": ("smic_hs",), "root": str(tmp_path), "scheme": "megc2019-3"}
    with pytest.raises(DatasetError, match=r"'a\{\}'"):
        list_clips(ClipsConfig.model_validate(config))
    (tmp_path / "flow_maps/sub01/u_test/0").mkdir(parents=True)
    (tmp_path / "flow_maps/sub01/u_test/0/b{} .png").touch()
    config["corpora"] = ("flow_maps",)
    with pytest.raises(DatasetError, match=r"'b\{\}'"):
        list_clips(ClipsConfig.model_validate(config))
