"""Which action units show each emotion.

The probabilities are rough and rounded. They follow published descriptions and were not counted from clips, with one
exception: the tuning half of the subjects of published flow maps (docs/log.md) decided between a few such tables.

Sources: prototypical units and their shares, Du, Tao & Martinez, PNAS 2014, doi:10.1073/pnas.1322355111, and EMFACS as
summarised there; criteria of CASME II for happiness, disgust, surprise and repression, Yan et al., PLoS ONE 2014,
doi:10.1371/journal.pone.0086041; objective classes, Davison, Merghani & Yap, J. Imaging 2018,
doi:10.3390/jimaging4100119.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Emotion:
    """An emotion and the action units that show it.

    Attributes:
        units: probability of each action unit.
        defining: action units of which at least one moves.
    """

    units: Mapping[int, float]
    defining: tuple[int, ...]


EMOTIONS: Mapping[str, Emotion] = MappingProxyType(
    {
        "happiness": Emotion({12: 0.92, 6: 0.55, 7: 0.12, 14: 0.1, 25: 0.12, 10: 0.06}, (12,)),
        "disgust": Emotion({4: 0.55, 9: 0.35, 10: 0.35, 7: 0.45, 17: 0.2, 15: 0.08, 6: 0.08}, (4, 9, 10)),
        "anger": Emotion({4: 0.75, 7: 0.5, 5: 0.12, 23: 0.25, 24: 0.25, 17: 0.2, 10: 0.1}, (4, 7, 23, 24)),
        "contempt": Emotion({14: 0.75, 12: 0.15, 10: 0.1, 17: 0.1}, (14,)),
        "fear": Emotion({1: 0.45, 2: 0.3, 4: 0.6, 5: 0.25, 20: 0.35, 7: 0.2, 25: 0.15}, (4, 20)),
        "sadness": Emotion({1: 0.5, 4: 0.55, 15: 0.5, 17: 0.35, 14: 0.1}, (1, 4, 15)),
        "repression": Emotion(
            {14: 0.35, 15: 0.35, 17: 0.45, 24: 0.25, 23: 0.15, 7: 0.12, 4: 0.1, 12: 0.08}, (14, 15, 17)
        ),
        "surprise": Emotion({1: 0.8, 2: 0.8, 5: 0.35, 26: 0.15, 25: 0.15, 4: 0.05}, (1, 2)),
        "others": Emotion(
            {4: 0.6, 7: 0.3, 14: 0.2, 12: 0.1, 17: 0.15, 24: 0.12, 1: 0.1, 2: 0.08, 6: 0.08}, (4, 7, 14, 17, 24)
        ),
    }
)
"""Action units of each emotion. Indices of emotions in tensors follow this order."""

# `tense` of CASME is drawn like `others`: lowered brows and tense lids are its most frequent units.
_OTHER_NAMES = MappingProxyType({"happy": "happiness", "sad": "sadness", "positive": "happiness", "tense": "others"})

# The class `negative` of MEGC2019 and CAS(ME)^3: everything that their rules merge. Disgust is most frequent in the
# published tables of CASME II and CAS(ME)^3, so it has the largest share.
_NEGATIVE = MappingProxyType(
    {"disgust": 0.34, "repression": 0.24, "anger": 0.18, "sadness": 0.1, "fear": 0.08, "contempt": 0.06}
)


def emotions_of_class(name: str) -> Mapping[str, float]:
    """Return the emotions that a class of a label scheme consists of.

    Args:
        name: name of the class, such as `negative` or `sad`.

    Returns:
        Share of each emotion in the class, by its name in `EMOTIONS`. Empty if the class is unknown.
    """
    if name == "negative":
        return _NEGATIVE
    emotion = _OTHER_NAMES.get(name, name)
    return {emotion: 1.0} if emotion in EMOTIONS else {}
