"""Tables as long as the real ones, with the published counts, the subjects and the known quirks of each corpus.

The counts come from the papers and tables of the corpora and from the publications of MEGC2019. The assignment of
emotions to subjects is invented. A few rows come from a corpus and are named here, because readers must handle them.
The other rows contain no annotation of any corpus.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.release_records import SheetRow
from microfacial.datasets.synthetic.write import write_table

CASME2_2019 = {
    "others": 99,
    "disgust": 63,
    "happiness": 32,
    "surprise": 28,
    "repression": 27,
    "sadness": 4,
    "fear": 2,
}
CASME2_2014 = {**CASME2_2019, "surprise": 25, "sadness": 7}
SAMM = {
    "Anger": 57,
    "Other": 26,
    "Happiness": 26,
    "Surprise": 15,
    "Contempt": 12,
    "Disgust": 9,
    "Fear": 8,
    "Sadness": 6,
}
SMIC = {"negative": 70, "positive": 51, "surprise": 43}
CASME3 = {
    "disgust": 250,
    "surprise": 187,
    "others": 158,
    "Others": 3,
    "fear": 86,
    "anger": 64,
    "sad": 57,
    "happy": 55,
}
MMEW = {"surprise": 89, "disgust": 72, "others": 66, "happiness": 36, "fear": 16, "sadness": 13, "anger": 8}

SubjectEmotion = tuple[int, str]


def write_census(corpus: str, root: Path, rows: Sequence[SheetRow]) -> Path:
    """Write a table and empty frame files. Readers use only the names of the files."""
    layout = LAYOUTS[corpus]
    paths = [root / layout.path(row, number) for row in rows for number in row.frames]
    for folder in {path.parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        path.touch()
    write_table(root, layout, rows)
    return root


def deal(counts: Mapping[str, int], subjects: Callable[[str], Sequence[int]]) -> Iterator[SubjectEmotion]:
    """Yield each emotion as often as counted. It cycles through the subjects that may show it."""
    for emotion, count in counts.items():
        for subject, _ in zip(cycle(subjects(emotion)), range(count), strict=False):
            yield subject, emotion


def deal_rest(
    counts: Mapping[str, int], named: Iterable[SheetRow], subjects: Callable[[str], Sequence[int]]
) -> list[SubjectEmotion]:
    """Deal the emotions that the named rows do not contain."""
    return list(deal(Counter(counts) - Counter(row.emotion for row in named), subjects))


def number_within(pairs: Iterable[SubjectEmotion]) -> Iterator[tuple[int, str, int]]:
    """Yield subject, emotion and the index of the clip among those of the subject."""
    indices = Counter[int]()
    for subject, emotion in pairs:
        yield subject, emotion, indices[subject]
        indices[subject] += 1


def make_row(subject: int, name: str, emotion: str, onset: int, **changes: object) -> SheetRow:
    """Return a row of five frames with the apex in the middle. `changes` replace its fields."""
    row = SheetRow(
        subject=subject,
        name=name,
        emotion=emotion,
        onset=onset,
        apex=onset + 2,
        offset=onset + 4,
        frames=range(onset, onset + 5),
        action_units="4+7",
    )
    return replace(row, **changes)  # type: ignore[arg-type]


# --- CASME II ---

CASME2_WITHOUT_CLASSES = (10, 18)  # subjects that show only others, fear and sadness


def casme2_rows(year: int) -> list[SheetRow]:
    """Return the 255 rows with the emotions of 2019; the table of 2014 adapts them. The year changes only one apex."""
    named = [
        make_row(4, "EP12_01f", "disgust", 261, apex="/" if year == 2019 else 300, offset=321, frames=range(261, 322)),
        make_row(5, "EP09_05f", "disgust", 69, apex=69, offset=102, frames=range(69, 103)),
        make_row(3, "EP01_2", "happiness", 98),
        make_row(3, "EP08_1", "others", 98),
        make_row(7, "EP06_02_01", "others", 98),
        make_row(7, "EP06_02_02", "disgust", 98),
        make_row(9, "EP09f", "others", 98),
        *(make_row(24, name, "surprise", 98) for name in ("EP07_01", "EP07_04f", "EP10_03")),
    ]

    def subjects(emotion: str) -> Sequence[int]:
        return [n for n in range(1, 27) if emotion in ("others", "fear", "sadness") or n not in CASME2_WITHOUT_CLASSES]

    dealt = []
    for place, (subject, emotion, index) in enumerate(number_within(deal_rest(CASME2_2019, named, subjects))):
        name = f"EP{index // 9 + 1:02d}_{index % 9 + 10}" + "f" * (place < 68)
        row = make_row(subject, name, emotion, 95 + index)
        dealt.append(replace(row, apex=row.offset) if place < 4 else row)
    return sorted([*named, *dealt], key=lambda row: row.subject)


# --- SAMM ---

SAMM_SUBJECTS = (6, 7, *range(9, 27), 28, *range(30, 38))
SAMM_OTHER_ONLY = 24  # an invented choice of subject, as are the next two
SAMM_WITHOUT_THE_FIVE = (12, 33)
SAMM_RARE = ("Disgust", "Fear", "Sadness")


def samm_rows() -> list[SheetRow]:
    """Return the 159 rows of 29 subjects. One shows only `Other`. Two show only emotions outside the five classes."""
    named = [
        make_row(28, "028_4_1", "Other", 1090, apex=1143, offset=1134, frames=range(1090, 1135)),
        make_row(32, "032_3_1", "Anger", 4896, apex=1930, offset=4970, frames=range(4896, 4971)),
    ]
    usual = [n for n in SAMM_SUBJECTS if n not in (SAMM_OTHER_ONLY, *SAMM_WITHOUT_THE_FIVE)]

    def subjects(emotion: str) -> Sequence[int]:
        if emotion in SAMM_RARE:
            return [*SAMM_WITHOUT_THE_FIVE, *usual]
        return [SAMM_OTHER_ONLY, *usual] if emotion == "Other" else usual

    dealt = [
        make_row(subject, f"{subject:03d}_{index % 2 + 1}_{index // 2 + 2}", emotion, (997, 9997)[index % 2])
        for subject, emotion, index in number_within(deal_rest(SAMM, named, subjects))
    ]
    return sorted([*named, *dealt], key=lambda row: row.subject)


# --- SMIC ---

SMIC_SUBJECTS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20)
SMIC_LATER_SUBJECTS = (11, 12, 13, 14, 15, 18, 19, 20)
SMIC_LATER = {"negative": 23, "positive": 28, "surprise": 20}
SMIC_LOST = ("s3_ne_03", "s3_ne_20", "s4_ne_05", "s4_ne_06", "s1_ne_02", "s2_sur_05", "s9_sur_02")
CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}


def smic_rows(counts: Mapping[str, int] = SMIC, subjects: Sequence[int] = SMIC_SUBJECTS) -> list[SheetRow]:
    """Return the rows of a camera: 164 of 16 subjects by default. If s3 is among them, it has 20 negative clips."""
    extra = {"negative": [3] * 16 + [4] * 3 + [1], "surprise": [2] * 4 + [9]} if 3 in subjects else {}
    counts_by_pair = defaultdict[SubjectEmotion, int](int)
    rows = []
    for subject, emotion in deal(counts, lambda emotion: [*subjects, *extra.get(emotion, []), *subjects[::-1]]):
        counts_by_pair[subject, emotion] += 1
        name = f"s{subject}_{CODES[emotion]}_{counts_by_pair[subject, emotion]:02d}"
        onset = 17_581_039 if subject == 20 else 998 + 40 * subject
        rows.append(make_row(subject, name, emotion, onset, digits=6))
    return sorted(rows, key=lambda row: row.subject)


def smic_e_rows() -> list[SheetRow]:
    """Return the 164 rows of SMIC-E for the high-speed camera. Seven clips have no offset and no long video."""
    return [
        replace(row, offset=None, apex=None, frames=range(0))
        if row.name in SMIC_LOST
        else replace(row, frames=range(row.onset - 3, row.onset + 9))
        for row in smic_rows()
    ]


# --- CAS(ME)^3, part A ---

CASME3_SUBJECTS = (*range(1, 92), 149, 214, 216)
CASME3_CORRECTED = {  # onset, apex and offset after the correction; an apex on the onset becomes the midpoint
    "spNO.149/d_112": (112, 123, 165),
    "spNO.214/c_5": (5, 20, 34),
    "spNO.216/d_3647": (2647, 2668, 2694),
    "spNO.216/e_0": (1, 13, 25),
    "spNO.40/e_1812": (1812, 1830, 1845),
    "spNO.40/e_2327": (2327, 2360, 2403),
}


def casme3_rows() -> list[SheetRow]:
    """Return the 860 rows of 94 subjects. Most videos hold two clips.

    Six rows have impossible moments at the places of the real table, and 59 others have a wrong apex.
    """
    named = {
        128: make_row(149, "d", "disgust", 112, apex=83, offset=165, frames=range(110, 168), video="d"),
        708: make_row(214, "c", "disgust", 5, apex=20, offset=3460, frames=range(5, 36), video="c"),
        749: make_row(216, "d", "disgust", 3647, apex=2668, offset=2694, frames=range(2645, 2697), video="d"),
        750: make_row(216, "e", "disgust", 0, apex=0, offset=25, frames=range(1, 28), video="e"),
        796: make_row(40, "e", "disgust", 1812, apex=1830, offset=0, frames=range(1810, 1848), video="e"),
        798: make_row(40, "e", "disgust", 2327, apex=2360, offset=0, frames=range(2325, 2406), video="e"),
    }
    rows = []
    counts = deal_rest(CASME3, list(named.values()), lambda _: CASME3_SUBJECTS)
    for place, (subject, emotion, index) in enumerate(number_within(counts)):
        video = "ajbcdfghiklm"[index // 2]
        name = "J" if video == "j" and index % 2 and subject < 4 else video
        row = make_row(subject, name, emotion, 8 * (index % 2) + 1, video=video)
        apex = row.onset if place < 54 else row.onset + 9 if place < 58 else row.apex
        rows.append(replace(row, apex=apex))
    for place, row in named.items():
        rows.insert(place, row)
    return rows


# --- MMEW ---


def mmew_rows() -> list[SheetRow]:
    """Return the 300 rows of 30 subjects."""
    counts_by_pair = defaultdict[SubjectEmotion, int](int)
    rows = []
    for subject, emotion in deal(MMEW, lambda _: range(1, 31)):
        counts_by_pair[subject, emotion] += 1
        code = list(MMEW).index(emotion) + 1
        rows.append(make_row(subject, f"S{subject:02d}-{code:02d}-{counts_by_pair[subject, emotion]:03d}", emotion, 1))
    return rows
