"""Tables as long as the real ones of CASME, CAS(ME)^2 and part C of CAS(ME)^3; see `census`.

Counts that are not public are invented, and no test uses them.
"""

from dataclasses import replace

from census import deal, make_row, number_within
from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.release_records import SheetRow

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
