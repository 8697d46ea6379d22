"""Records of the answer about one film: the people in it, their movements, and the model that recognised them.

`to_dict` methods return the fields of docs/reference/answers.md, which JSON, CSV and the server share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from microfacial.models.unit_description import MovedUnit
from microfacial.records import FaceStore, FloatArray

SCHEMA_VERSION = 1
"""Version of the fields that `FilmAnswer.to_dict` returns. It rises if a field changes its meaning or is removed."""

MISUSE = (
    "A micro-expression is a brief movement of the face. It does not prove an emotion or a lie. Do not use this answer "
    "to decide about a person, and do not analyse people who did not agree to it"
)
"""Note on misuse, which every output shows once."""

_DECIMALS = 6


@dataclass(frozen=True, kw_only=True)
class ModelNote:
    """The model that gave an answer.

    Attributes:
        name: name of the variant, such as `motion_prior`.
        version: which weights: a registered version, a bundle, a checkpoint, or the digest of the shipped weights.
        scheme: name of the label scheme; empty if it is unknown.
        classes: names of the K classes.
        trained_on: data that it was trained on, in words.
        scores: its measured scores, in words; empty if there are none.
        prohibited: uses that are prohibited, in words.
        calibration: how its probabilities were calibrated, in words.
    """

    name: str
    version: str
    scheme: str
    classes: tuple[str, ...]
    trained_on: str
    scores: str
    prohibited: str
    calibration: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**vars(self), "classes": list(self.classes)}


@dataclass(frozen=True, kw_only=True)
class Event:
    """One spotted movement of one person.

    Attributes:
        person: number of the person in the film, from 1.
        onset: number of the frame before the movement.
        apex: number of the frame where the movement peaks.
        offset: number of the frame where the movement has ended.
        onset_s: time of the onset in seconds from the first frame; None if the frames have no times.
        apex_s: time of the apex.
        offset_s: time of the offset.
        score: from 0.5 at the threshold of spotting to 1 for a very strong movement; None if the moments were given.
        kind: `micro`, or `macro` for a longer movement; `given` if the moments were given; `map` for a published map.
        label: the most probable class; None if the model abstained.
        probabilities: probability of each class; empty if the model abstained.
        units: action units that moved, the most probable first.
        attention: weight of each region in the model, by name; empty if the model abstained or has no regions.
        abstained: why the movement was not recognised; None if it was.
        store: crops and flow of the movement, for pictures; None if they were not requested or do not exist.
    """

    person: int
    onset: int
    apex: int
    offset: int
    onset_s: float | None
    apex_s: float | None
    offset_s: float | None
    score: float | None
    kind: str
    label: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    units: tuple[MovedUnit, ...] = ()
    attention: Mapping[str, float] = field(default_factory=dict)
    abstained: str | None = None
    store: FaceStore | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values, without the store."""
        fields = {name: value for name, value in vars(self).items() if name != "store"}
        return {
            **{name: _rounded(value) for name, value in fields.items()},
            "probabilities": {name: _rounded(value) for name, value in self.probabilities.items()},
            "attention": {name: _rounded(value) for name, value in self.attention.items()},
            "units": [{name: _rounded(value) for name, value in unit._asdict().items()} for unit in self.units],
        }


@dataclass(frozen=True, kw_only=True)
class UnjudgedFrames:
    """Frames in which a face is visible but cannot be judged.

    Attributes:
        first: number of the first frame.
        last: number of the last frame.
        first_s: time of the first frame in seconds from the first frame of the film.
        last_s: time of the last frame.
        reason: why, in words.
    """

    first: int
    last: int
    first_s: float
    last_s: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class PersonAnswer:
    """A face that was followed through a film.

    Attributes:
        person: number of the person, from 1, in the order of appearance.
        numbers: numbers of the M frames of `signal`.
        seconds: time of each of these frames, `(M,)`, in seconds from the first frame of the film.
        signal: strength of the motion in each of these frames, `(M,)`, as a multiple of the threshold.
        threshold: signal from which a movement counts; always 1.
        note: why no movement was spotted; None if movements were spotted.
        gaps: frames in which the face is visible but cannot be judged.
        places: similarity from the pixels of a frame to the aligned square, `(2, 3)`, by the number of the frame.
    """

    person: int
    numbers: tuple[int, ...]
    seconds: tuple[float, ...]
    signal: tuple[float, ...]
    threshold: float
    note: str | None = None
    gaps: tuple[UnjudgedFrames, ...] = ()
    places: Mapping[int, FloatArray] = field(default_factory=dict, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values, without the places."""
        fields = {name: value for name, value in vars(self).items() if name not in ("gaps", "places")}
        lists = {
            name: list(map(_rounded, value)) if isinstance(value, tuple) else value for name, value in fields.items()
        }
        return {**lists, "gaps": [{name: _rounded(value) for name, value in vars(gap).items()} for gap in self.gaps]}


@dataclass(frozen=True, kw_only=True)
class FilmAnswer:
    """The answer about one film.

    Attributes:
        source: path or name of the film.
        model: the model that recognised the movements.
        fps: frames per second; None if unknown.
        frames: number of frames.
        seconds: time from the first frame to the last; None if unknown.
        people: people in the film, in the order of appearance.
        events: movements of all people, in the order of their onsets.
        reason: why there are no events; None if there are events.
        error: why the film could not be read; None if it was read.
    """

    source: str
    model: ModelNote
    fps: float | None
    frames: int
    seconds: float | None
    people: tuple[PersonAnswer, ...] = ()
    events: tuple[Event, ...] = ()
    reason: str | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values, with `schema`, the version of the fields."""
        return {
            "schema": SCHEMA_VERSION,
            **vars(self),
            "model": self.model.to_dict(),
            "people": [person.to_dict() for person in self.people],
            "events": [event.to_dict() for event in self.events],
        }


def _rounded(value: Any) -> Any:
    """Return a value for JSON. Decimals beyond the sixth differ between processors."""
    return round(value, _DECIMALS) if isinstance(value, float) else value
