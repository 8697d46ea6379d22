"""Tables as long as the real ones of CASME, CAS(ME)^2 and part C of CAS(ME)^3; see `census`.

Counts that are not public are invented, and no test uses them.
"""

from dataclasses import replace

from census import deal, make_row, number_within
from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.release_records import Cells, SheetRow
from microfacial.datasets.synthetic.tables import CASME_SQ_SUBJECTS, CASME_SQ_VIDEOS

# --- CASME ---

CASME_ROWS = 193
CASME_PADDED_FROM = 92  # the frame numbers of the first rows are not padded


def casme_rows() -> list[SheetRow]:
    """Return the 193 rows. The number of clips per emotion, and of subjects, is invented."""
    emotions = {"tense": 70, "disgust": 50, "repression": 40, "surprise": 20, "happiness": 9, "sadness": 4}
    subjects = LAYOUTS["casme"].subjects
    rows = [
        make_row(subject, f"EP{index // 6 + 1:02d}_{index % 6 + 1}", emotion, 97)
        for subject, emotion, index in number_within(deal(emotions, lambda _: subjects))
    ]
    return [
        replace(row, digits=3 if place >= CASME_PADDED_FROM else 1)
        for place, row in enumerate(sorted(rows, key=lambda row: row.subject))
    ]


# --- CAS(ME)^3, part C ---

CASME3_C = {"negative": 99, "surprise": 30, "others": 20, "positive": 16}


def casme3_c_rows() -> list[SheetRow]:
    """Return the 165 rows. Their subjects are invented."""
    subjects = LAYOUTS["casme3_c"].subjects
    return [
        make_row(subject, str(index + 1), emotion, 10 * index + 1, apex=None)
        for subject, emotion, index in number_within(deal(CASME3_C, lambda _: subjects))
    ]


# --- CAS(ME)^2 ---

CASME_SQ_MACRO = 300


def casme_sq_rows() -> list[SheetRow]:
    """Return the 57 micro-expressions. Their subjects and emotions are invented."""
    emotions = {"negative": 21, "positive": 8, "surprise": 9, "others": 19}
    videos = list(CASME_SQ_VIDEOS.items())
    rows = []
    for subject, emotion, index in number_within(deal(emotions, lambda _: CASME_SQ_SUBJECTS)):
        name, folder = videos[index]
        place = f"s{subject}/{subject}_{folder}"
        rows.append(make_row(subject, f"{name}_1", emotion, 97, video=place, frames=range(90, 106)))
    return rows


def casme_sq_macro_cells() -> tuple[Cells, ...]:
    """Return the cells of the 300 macro-expressions."""
    return tuple(
        (number % 22 + 1, f"anger1_{number // 22 + 2}", 200, 230, 260, "4", "negative", "macro-expression", "anger")
        for number in range(CASME_SQ_MACRO)
    )
