"""The layout of each corpus on disk: paths of frames, camera, subjects, emotions, rows and table."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from microfacial.datasets.synthetic.camera import View, make_room_view
from microfacial.datasets.synthetic.release_records import ReleaseLayout
from microfacial.datasets.synthetic.rows import (
    make_4dme_rows,
    make_casme2_rows,
    make_casme3_c_rows,
    make_casme3_rows,
    make_casme_rows,
    make_casme_sq_rows,
    make_dfme_rows,
    make_mmew_rows,
    make_samm_lv_rows,
    make_samm_rows,
    make_smic_e_rows,
    make_smic_rows,
)
from microfacial.datasets.synthetic.tables import (
    CASME2_TABLE,
    CASME2_TABLE_OF_2014,
    CASME3_C_TABLE,
    CASME3_TABLE,
    CASME_SQ_SUBJECTS,
    CASME_SQ_TABLE,
    CASME_TABLE,
    DFME_TABLE,
    FOURDME_TABLE,
    MMEW_TABLE,
    SAMM_LV_TABLE,
    SAMM_TABLE,
    SMIC_E_TABLE,
    SMIC_E_TABLE_BEFORE_2019,
)

_CASME_SUBJECTS = tuple(range(1, 20))
_CASME2_SUBJECTS = tuple(range(1, 27))
_SAMM_SUBJECTS = (6, 28, 7, *range(9, 27), 30, *range(31, 38))
_SMIC_SUBJECTS = (3, 20, 1, 2, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19)
_SMIC_LATER_SUBJECTS = (20, 11, 12, 13, 14, 15, 18, 19)
_CASME3_SUBJECTS = (1, 40, *range(2, 40), *range(41, 95))
_CASME3_C_SUBJECTS = tuple(range(1, 32))
_DFME_SUBJECTS = tuple(range(1, 260))
_FOURDME_SUBJECTS = tuple(range(1, 41))
_MMEW_SUBJECTS = tuple(range(1, 31))

_VGA, _GREY_VGA = make_room_view(640, 480), make_room_view(640, 480, grey=True)


def _name_emotions(happiness: str, disgust: str, surprise: str, repression: str, others: str) -> Mapping[str, str]:
    """Return the corpus' word for each drawn emotion."""
    words = {"happiness": happiness, "disgust": disgust, "surprise": surprise}
    return MappingProxyType({**words, "repression": repression, "others": others})


def _use_camera(layout: ReleaseLayout, camera: str, view: View) -> ReleaseLayout:
    """Return a layout of SMIC for another camera than HS. The other cameras recorded only the later subjects."""
    table = layout.table and replace(layout.table, path=layout.table.path.replace("HS", camera))
    frame, other_picture = (path.replace("HS", camera) for path in (layout.frame, layout.other_picture))
    return replace(
        layout, frame=frame, other_picture=other_picture, table=table, subjects=_SMIC_LATER_SUBJECTS, view=view
    )


_CASME = ReleaseLayout(
    title="CASME",
    frame="Cropped/sub{subject:02d}/{name}/reg_{name}-{number:0{digits}d}.jpg",
    make_rows=make_casme_rows,
    subjects=_CASME_SUBJECTS,
    emotions=_name_emotions("happiness", "disgust", "surprise", "repression", "tense"),
    table=CASME_TABLE,
)
_CASME2 = ReleaseLayout(
    title="CASME II",
    frame="Cropped/sub{subject:02d}/{name}/reg_img{number}.jpg",
    make_rows=make_casme2_rows,
    subjects=_CASME2_SUBJECTS,
    emotions=_name_emotions("happiness", "disgust", "surprise", "repression", "others"),
    table=CASME2_TABLE,
)
_CASME2_RAW = replace(_CASME2, frame="CASME2_RAW/sub{subject:02d}/{name}/img{number}.jpg", view=_VGA, extra_frames=3)
_CASME3 = ReleaseLayout(
    title="CAS(ME)^3",
    frame="part_A/spNO.{subject}/{video}/color/{number}.jpg",
    other_picture="part_A/spNO.{subject}/{video}/depth/{number}.png",
    make_rows=make_casme3_rows,
    subjects=_CASME3_SUBJECTS,
    emotions=_name_emotions("happy", "disgust", "surprise", "sad", "others"),
    table=CASME3_TABLE,
    view=make_room_view(1280, 720),
    extra_frames=3,
    whole_videos=True,
)
_CASME3_C = replace(
    _CASME3,
    frame="part_C/{subject:02d}/a/color/{number}.jpg",
    other_picture="part_C/{subject:02d}/a/depth/{number}.png",
    make_rows=make_casme3_c_rows,
    subjects=_CASME3_C_SUBJECTS,
    emotions=_name_emotions("positive", "negative", "surprise", "negative", "others"),
    table=CASME3_C_TABLE,
)
_CASME_SQ = ReleaseLayout(
    title="CAS(ME)^2",
    frame="rawpic/{video}/img{number}.jpg",
    make_rows=make_casme_sq_rows,
    subjects=CASME_SQ_SUBJECTS,
    emotions=_name_emotions("positive", "negative", "surprise", "negative", "others"),
    table=CASME_SQ_TABLE,
    view=_VGA,
    extra_frames=3,
    whole_videos=True,
)
_DFME = ReleaseLayout(
    title="DFME",
    frame="train_data/{name}/{number:0{digits}d}.png",
    make_rows=make_dfme_rows,
    subjects=_DFME_SUBJECTS,
    emotions=_name_emotions("happiness", "disgust", "surprise", "sadness", "contempt"),
    table=DFME_TABLE,
    view=_VGA,
)
_FOURDME = ReleaseLayout(
    title="4DME",
    frame="gray_micro/S{subject:02d}/{name}/Frame_{number:0{digits}d}.jpg",
    make_rows=make_4dme_rows,
    subjects=_FOURDME_SUBJECTS,
    emotions=_name_emotions("Positive", "Negative", "Surprise", "Repression", "Others"),
    table=FOURDME_TABLE,
    view=_GREY_VGA,
    extra_frames=3,
)
_MMEW = ReleaseLayout(
    title="MMEW",
    frame="MMEW_Final/Micro_Expression/{emotion}/{name}/{number}.jpg",
    other_picture="MMEW_Final/Macro_Expression/S{subject:02d}/anger/S{subject:02d}-07-001.jpg",
    make_rows=make_mmew_rows,
    subjects=_MMEW_SUBJECTS,
    emotions=_name_emotions("happiness", "disgust", "surprise", "sadness", "others"),
    table=MMEW_TABLE,
    view=View(left=-6, top=30, width=292, height=292),
)
_SAMM = ReleaseLayout(
    title="SAMM",
    frame="SAMM/{subject:03d}/{name}/{subject:03d}_{number:0{digits}d}.jpg",
    make_rows=make_samm_rows,
    subjects=_SAMM_SUBJECTS,
    emotions=_name_emotions("Happiness", "Anger", "Surprise", "Contempt", "Other"),
    table=SAMM_TABLE,
    view=make_room_view(960, 650, grey=True),
)
_SAMM_LV = replace(
    _SAMM,
    title="SAMM Long Videos",
    frame="SAMM_longvideos/{video}/{video}_{number:0{digits}d}.jpg",
    make_rows=make_samm_lv_rows,
    table=SAMM_LV_TABLE,
    other_tables=(SAMM_TABLE,),
    extra_frames=3,
    whole_videos=True,
)
_SMIC_HS = ReleaseLayout(
    title="SMIC",
    frame="HS/s{subject}/micro/{emotion}/{name}/image{number:0{digits}d}.bmp",
    other_picture="HS/s{subject}/non_micro/s{subject}_non_01/image{number:0{digits}d}.bmp",
    make_rows=make_smic_rows,
    subjects=_SMIC_SUBJECTS,
    emotions=_name_emotions("positive", "negative", "surprise", "negative", "negative"),
    view=_VGA,
)
_SMIC_E_HS = replace(
    _SMIC_HS,
    frame="HS_long/SMIC-HS-E/s{subject:02d}/{name}/image{number:0{digits}d}.jpg",
    other_picture="",
    make_rows=make_smic_e_rows,
    table=SMIC_E_TABLE,
    extra_frames=4,
)

LAYOUTS: Mapping[str, ReleaseLayout] = MappingProxyType(
    {
        "4dme": _FOURDME,
        "casme": _CASME,
        "casme2": _CASME2,
        "casme2_2014": replace(_CASME2, table=CASME2_TABLE_OF_2014),
        "casme2_raw": _CASME2_RAW,
        "casme3": _CASME3,
        "casme3_c": _CASME3_C,
        "casme_sq": _CASME_SQ,
        "dfme": _DFME,
        "mmew": _MMEW,
        "samm": _SAMM,
        "samm_lv": _SAMM_LV,
        "smic_e_hs": _SMIC_E_HS,
        "smic_e_nir": _use_camera(replace(_SMIC_E_HS, table=SMIC_E_TABLE_BEFORE_2019), "NIR", _GREY_VGA),
        "smic_e_vis": _use_camera(_SMIC_E_HS, "VIS", _VGA),
        "smic_hs": _SMIC_HS,
        "smic_nir": _use_camera(_SMIC_HS, "NIR", _GREY_VGA),
        "smic_vis": _use_camera(_SMIC_HS, "VIS", _VGA),
    }
)
