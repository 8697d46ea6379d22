"""Tables as long as the real ones of DFME, 4DME and SAMM Long Videos; see `census`.

Counts that are not public are invented, and no test uses them.
"""

from dataclasses import replace
from itertools import chain, repeat

from census import deal, make_row, number_within, samm_rows
from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.release_records import Cells, SheetRow

# --- DFME ---

DFME = {
    "disgust": 735,
    "surprise": 447,
    "fear": 365,
    "sadness": 359,
    "happiness": 311,
    "anger": 241,
    "contempt": 171,
}
DFME_PARTS = {  # rows and subjects of each table
    "training_full_with_AU": (1856, 176),
    "testA": (474, 42),
    "testB": (299, 41),
}
DFME_FPS = {500: 993, 300: 805, 200: 831}
DFME_ONSETS_AT_ZERO = 1240


def dfme_cells() -> dict[str, list[Cells]]:
    """Return the cells of the 2,629 rows of 259 subjects, by table. The subjects of emotions and rates are invented."""
    table = LAYOUTS["dfme"].table
    assert table is not None
    emotions = iter([emotion for emotion, count in DFME.items() for _ in range(count)])
    rates = iter([fps for fps, count in DFME_FPS.items() for _ in range(count)])
    onsets = chain(repeat(0, DFME_ONSETS_AT_ZERO), repeat(3))
    tables: dict[str, list[Cells]] = {}
    earlier = 0
    for part, (count, subjects) in DFME_PARTS.items():
        tables[part] = [table.header]
        for number in range(count):
            subject = earlier + number % subjects + 1
            name = f"sub{subject:04d}_{number // subjects + 1:02d}"
            *cells, _fps, units = table.cells(make_row(subject, name, next(emotions), next(onsets)), number)
            tables[part].append((*cells, next(rates), units))
        earlier += subjects
    return tables


# --- 4DME ---

FOURDME_ROWS = 267


def fourdme_rows() -> list[SheetRow]:
    """Return the 267 rows. Subjects and emotions are invented."""
    emotions = {
        "Positive": 40,
        "Negative": 120,
        "Surprise": 40,
        "Repression": 20,
        "Others": 27,
        "Surprise+Positive": 20,
    }
    subjects = LAYOUTS["4dme"].subjects
    return [
        make_row(subject, f"S{subject:02d}_1st_001_{index + 1:02d}_1", emotion, 997, digits=9, action_units=f"{place}")
        for place, (subject, emotion, index) in enumerate(number_within(deal(emotions, lambda _: subjects)), 1)
    ]


# --- SAMM Long Videos ---

SAMM_LV_MACRO = 343


def samm_lv_rows() -> list[SheetRow]:
    """Return the 159 micro-expressions, which are the clips of SAMM."""
    return [replace(row, video="_".join(row.name.split("_")[:2]), digits=5) for row in samm_rows()]


def samm_lv_macro_cells() -> tuple[Cells, ...]:
    """Return the cells of the 343 macro-expressions."""
    return tuple(
        ("006", f"006_1_{number}", 1, 100, 150, 300, 201, "Macro", "4", None)
        for number in range(100, 100 + SAMM_LV_MACRO)
    )
