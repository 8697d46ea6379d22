"""The annotation table of each corpus: where it is, and what its rows look like."""

from dataclasses import replace

from microfacial.datasets.synthetic.release_records import Cells, SheetRow, Table

# Clips whose emotion changed from sadness to surprise in the sheet of 2019.
_SAD_IN_2014 = ((24, "EP07_01"), (24, "EP07_04f"), (24, "EP10_03"))
CASME_SQ_SUBJECTS = (15, 19, 23, 16, 20, 21, 22, *range(24, 28), *range(29, 39), 40)
CASME_SQ_VIDEOS = {  # name in the table, and in the folder; the names after the codes are invented, except for three
    "disgust1": "0101disgustingteeth",
    "happy1": "0502funnyerrors",
    "anger1": "0401girlcrashing",
    "disgust2": "0102video",
    "anger2": "0402video",
    "happy2": "0503video",
    "happy3": "0505video",
    "happy4": "0507video",
    "happy5": "0508video",
}
_DFME_EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")


def _casme_cells(row: SheetRow, line: int) -> Cells:
    apexes = (row.apex, row.apex + 1 if line % 3 and isinstance(row.apex, int) else "\\")
    times = (150, 350)  # to the apex and to the offset, in milliseconds; nobody reads them
    return (row.subject, row.name, None, row.onset, *apexes, row.offset, None, *times, row.action_units, row.emotion)


def _casme2_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.apex, row.offset)
    return (f"{row.subject:02d}", row.name, None, *frames, None, row.action_units, row.emotion, row.objective)


def _casme2_cells_of_2014(row: SheetRow, line: int) -> Cells:
    sad = (row.subject, row.name) in _SAD_IN_2014 and row.emotion == "surprise"
    return _casme2_cells(replace(row, emotion="sadness") if sad else row, line)[:-1]


def _samm_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.apex, row.offset, f"=SUM(F{line}-D{line})+1")
    codes = (row.action_units, row.emotion, row.objective, None)
    return (f"{row.subject:03d}", row.name, 1, *frames, "Micro - 1/2", *codes)


def _samm_lv_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.apex, row.offset, f"=SUM(F{line}-D{line})+1")
    return (f"{row.subject:03d}", row.name, 1, *frames, "Micro - 1/2", row.action_units, None)


def _smic_e_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.offset, None, None, None, None, None)
    video: Cells = (row.frames[0], row.frames[-1], len(row.frames)) if row.frames else ("lost", None, None)
    return (row.subject, row.name, None, *frames, *video, None, None, row.apex, row.emotion)


def _smic_e_cells_before_2019(row: SheetRow, line: int) -> Cells:
    *others, _apex, emotion = _smic_e_cells(row, line)
    return (*others, emotion)


def _casme3_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.apex, row.offset)
    return (f"spNO.{row.subject}", row.name, *frames, str(row.action_units), _ROMAN[row.objective - 1], row.emotion)


def _casme3_c_cells(row: SheetRow, line: int) -> Cells:
    units = str(row.action_units).replace("+", "，" if line == 3 else ",")
    return (row.subject, int(row.name), row.onset, row.offset, units, row.emotion)


def _dfme_cells(row: SheetRow, line: int) -> Cells:
    codes = (row.emotion, _DFME_EMOTIONS.index(row.emotion), (500, 300, 200)[row.subject % 3], str(row.action_units))
    return (f"sub{row.subject:04d}", row.name, row.onset, row.apex, row.offset, *codes)


def _fourdme_cells(row: SheetRow, line: int) -> Cells:
    units = f"{row.action_units}+AU4(k)" if line % 3 == 0 else str(row.action_units)
    return (f"S{row.subject:02d}", row.name, row.emotion, row.onset, row.apex, row.offset, units)


def _casme_sq_cells(row: SheetRow, line: int) -> Cells:
    subject = CASME_SQ_SUBJECTS.index(row.subject) + 1
    return (
        subject,
        row.name,
        row.onset,
        row.apex,
        row.offset,
        row.action_units,
        row.emotion,
        "micro-expression",
        "fear",
    )


def _mmew_cells(row: SheetRow, line: int) -> Cells:
    return (row.subject, row.name, row.onset, row.apex, row.offset, row.action_units, row.emotion, None)


_CODES = ("Action Units", "Estimated Emotion")
_FRAMES = ("OnsetFrame", "ApexFrame", "OffsetFrame")
CASME_TABLE = Table(
    path="CASME-coded-20190721.xlsx",  # the release has an old Excel file
    header=(
        *("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None),
        *("Onset", "Total", "AU", "Emotion"),
    ),
    cells=_casme_cells,
)
CASME2_TABLE = Table(
    path="CASME2-coding-20190701.xlsx",
    header=("Subject", "Filename", None, *_FRAMES, None, *_CODES, "Objective Classes"),
    cells=_casme2_cells,
    further=(("Sheet2", ()), ("Sheet3", ())),
)
CASME2_TABLE_OF_2014 = replace(
    CASME2_TABLE,
    path="CASME2-coding-20140508.xlsx",
    header=CASME2_TABLE.header[:-1],
    cells=_casme2_cells_of_2014,
)
SAMM_TABLE = Table(
    path="SAMM_Micro_FACS_Codes_v2.xlsx",
    sheet="MICRO_ONLY",
    above=tuple((f"Note {number}: the header stands in row 14",) for number in range(1, 14)),
    header=(
        *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro"),
        *(*_CODES, "Objective Classes", "Notes"),
    ),
    cells=_samm_cells,
)
SAMM_LV_TABLE = Table(
    path="SAMM_LongVideos_V3_Release.xlsx",
    sheet="FACS_Movement_Only",
    above=tuple((f"Note {number}: the header stands in row 10",) for number in range(1, 10)),
    header=(
        *("Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type"),
        *("Action Units", "Notes"),
    ),
    cells=_samm_lv_cells,
    below=(("006", "006_1_9", 1, 2, 30, 260, 259, "Macro", "4", None),),
)
SMIC_E_TABLE = Table(
    path="HS_long/SMIC-HS-E_annotation_2019.xlsx",
    header=(  # public code reads onset, offset, first, last and emotion at these places; we chose the other names
        *("Subject", "Filename", None, "OnsetF", "OffsetF", "OnsetF2", "OffsetF2", "OnsetF3", "OffsetF3", None),
        *("FirstF", "LastF", "Frames", None, None, "ApexF", "Emotion"),
    ),
    cells=_smic_e_cells,
    below=(
        (),
        (None, "lost: the long video could not be saved"),
        (None, None, "OnsetF2: of a second micro-expression"),
    ),
)
SMIC_E_TABLE_BEFORE_2019 = replace(
    SMIC_E_TABLE,
    path="HS_long/SMIC-HS-E_annotation.xlsx",
    header=(*SMIC_E_TABLE.header[:-2], "Emotion"),
    cells=_smic_e_cells_before_2019,
)
CASME3_TABLE = Table(
    path="cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    sheet="label",
    header=("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"),
    cells=_casme3_cells,
)
CASME3_C_TABLE = Table(
    path="CAS(ME)3_part_C_ME.xlsx",
    header=("sub", "count", "onset", "offset", "au", "emotion"),
    cells=_casme3_c_cells,
)
DFME_TABLE = Table(
    path="full_release_annotation/training_full_with_AU.xlsx",
    header=("Subject", "Filename", *_FRAMES, "Emotion", "EmotionId", "Fps", "AU"),
    cells=_dfme_cells,
)
FOURDME_TABLE = Table(
    path="4DME_Labelling_Micro_release v1.xlsx",
    header=("sub_ID", "fold_name", "Emotion", "Onset", "Apex", "Offset", "AUs"),
    cells=_fourdme_cells,
)
CASME_SQ_TABLE = Table(
    path="CAS(ME)^2code_final(Updated).xlsx",
    header=(),
    cells=_casme_sq_cells,
    below=((1, "anger1_9", 20, 30, 80, "4", "negative", "macro-expression", "anger"),),
    further=(
        ("Sheet2", tuple((number, f"s{number}", place) for place, number in enumerate(CASME_SQ_SUBJECTS, 1))),
        ("Sheet3", tuple((folder[:4], name) for name, folder in CASME_SQ_VIDEOS.items())),
    ),
)
MMEW_TABLE = Table(
    path="MMEW_Micro_Exp.xlsx",
    header=("Subject", "Filename", *_FRAMES, *_CODES, "remarks"),
    cells=_mmew_cells,
)
