"""Label schemes: for each corpus, the class of each annotated emotion, and the emotions that are left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

from microfacial.errors import DatasetError

MEGC2019_MAPS = "megc2019-maps"
"""Vocabulary of the published maps of MEGC2019, whose labels are its three classes. It is not a corpus."""

Rule = Mapping[str, str | None]
"""Class of each emotion of a corpus; None for an emotion that the scheme leaves out on purpose."""


@dataclass(frozen=True)
class Scheme:
    """A fixed list of classes, with one rule per corpus. An emotion without a rule is an error; it is never skipped.

    Attributes:
        name: name of the scheme, as in `clips.scheme`.
        classes: names of the classes, in the order of labels and tables.
        rules: rule of each corpus, by the name of its vocabulary.
    """

    name: str
    classes: tuple[str, ...]
    rules: Mapping[str, Rule]

    def label(self, corpus: str, emotion: str, where: str) -> str | None:
        """Return the class of an annotated emotion.

        Args:
            corpus: name of the vocabulary; see `Annotation.vocabulary`.
            emotion: emotion in the annotators' words, in any case.
            where: place of the annotation, for messages.

        Returns:
            Name of the class; None if the scheme leaves the emotion out.

        Raises:
            DatasetError: the scheme has no rule for the corpus, or the rule does not have the emotion.
        """
        if corpus not in self.rules:
            raise DatasetError(
                f"{where}: scheme {self.name} has no rule for corpus {corpus} (only for {', '.join(self.rules)}). "
                "Choose another clips.scheme"
            )
        rule, key = self.rules[corpus], normalise_emotion(emotion)
        if key not in rule:
            raise DatasetError(
                f"{where}: unknown label {emotion!r} (scheme {self.name} has {', '.join(sorted(rule))}). "
                "Correct the annotation or list the clip under clips.exclude"
            )
        return rule[key]


def normalise_emotion(emotion: str) -> str:
    """Return an emotion in lower case, and `others` for `Other`, which SAMM writes.

    Args:
        emotion: emotion in the annotators' words.
    """
    plain = emotion.strip().lower()
    return "others" if plain == "other" else plain


def join_emotions(emotions: str) -> str:
    """Return several emotions of one clip in alphabetical order, in lower case.

    Args:
        emotions: emotions in the annotators' words, with plus signs between them.
    """
    return "+".join(sorted(normalise_emotion(emotion) for emotion in emotions.split("+")))


def _keep(emotions: Iterable[str], dropped: Iterable[str] = ()) -> Rule:
    """Return a rule that makes each emotion a class of its own."""
    return MappingProxyType({**{emotion: emotion for emotion in emotions}, **dict.fromkeys(dropped)})


def _merge(dropped: Iterable[str] = (), **members: Iterable[str]) -> Rule:
    """Return a rule that makes one class of the emotions listed for it."""
    merged = {emotion: label for label, emotions in members.items() for emotion in emotions}
    return MappingProxyType({**merged, **dict.fromkeys(dropped)})


def _scheme(name: str, classes: tuple[str, ...], **rules: Rule) -> Scheme:
    return Scheme(name, classes, MappingProxyType(rules))


_THREE = ("negative", "positive", "surprise")
_DFME_SEVEN = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
_FOURDME_FIVE = ("negative", "positive", "surprise", "repression", "others")
_FOURDME_JOINED = tuple(join_emotions("+".join(some)) for size in (2, 3) for some in combinations(_FOURDME_FIVE, size))
_CASME_FOUR = ("disgust", "repression", "surprise", "tense")
_CASME2_FOUR = ("happiness", "disgust", "surprise", "repression")
_CASME2_FIVE = (*_CASME2_FOUR, "others")
_SAMM_FIVE = ("anger", "others", "happiness", "surprise", "contempt")
_CASME3_SEVEN = ("disgust", "surprise", "others", "fear", "anger", "sad", "happy")
_MMEW_FOUR = ("happiness", "surprise", "disgust", "others")

_MEGC2019_CASME2 = _merge(
    negative=("disgust", "repression"),
    positive=("happiness",),
    surprise=("surprise",),
    dropped=("others", "fear", "sadness"),
)
_MEGC2019_SAMM = _merge(
    negative=("anger", "contempt", "disgust", "fear", "sadness"),
    positive=("happiness",),
    surprise=("surprise",),
    dropped=("others",),
)
_CASME3_MERGED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"negative": ("disgust", "fear", "anger", "sad"), "positive": ("happy",), "surprise": ("surprise",)}
)

_ALL = (
    _scheme("4dme-3", _THREE, **{"4dme": _keep(_THREE, dropped=("repression", "others", *_FOURDME_JOINED))}),
    _scheme("4dme-5", _FOURDME_FIVE, **{"4dme": _keep(_FOURDME_FIVE, dropped=_FOURDME_JOINED)}),
    _scheme("casme-4", _CASME_FOUR, casme=_keep(_CASME_FOUR, dropped=("contempt", "fear", "happiness", "sadness"))),
    _scheme("casme2-4", _CASME2_FOUR, casme2=_keep(_CASME2_FOUR, dropped=("others", "sadness", "fear"))),
    _scheme("casme2-5", _CASME2_FIVE, casme2=_keep(_CASME2_FIVE, dropped=("sadness", "fear"))),
    _scheme("samm-5", _SAMM_FIVE, samm=_keep(_SAMM_FIVE, dropped=("disgust", "fear", "sadness"))),
    _scheme(
        "megc2019-3",
        _THREE,
        casme2=_MEGC2019_CASME2,
        samm=_MEGC2019_SAMM,
        smic=_keep(_THREE),
        **{MEGC2019_MAPS: _keep(_THREE)},
    ),
    _scheme(
        "casme3-3",
        _THREE,
        casme3=_merge(**_CASME3_MERGED, dropped=("others",)),
        casme3_c=_keep(_THREE, dropped=("others",)),
    ),
    _scheme(
        "casme3-4",
        (*_THREE, "others"),
        casme3=_merge(**_CASME3_MERGED, others=("others",)),
        casme3_c=_keep((*_THREE, "others")),
    ),
    _scheme("casme3-7", _CASME3_SEVEN, casme3=_keep(_CASME3_SEVEN)),
    _scheme("casme_sq-3", _THREE, casme_sq=_keep(_THREE, dropped=("others",))),
    _scheme("casme_sq-4", (*_THREE, "others"), casme_sq=_keep((*_THREE, "others"))),
    _scheme("dfme-7", _DFME_SEVEN, dfme=_keep(_DFME_SEVEN)),
    _scheme("mmew-4", _MMEW_FOUR, mmew=_keep(_MMEW_FOUR, dropped=("anger", "fear", "sadness"))),
)
_WITHOUT_UNITS = ("smic", MEGC2019_MAPS)  # vocabularies of corpora in which no action units are annotated


def _keep_every_emotion() -> Scheme:
    """Return the scheme that gives the same class to each emotion that another scheme has a rule for."""
    rules: dict[str, dict[str, str | None]] = {}
    for scheme in _ALL:
        for corpus, rule in scheme.rules.items():
            if corpus not in _WITHOUT_UNITS:
                rules.setdefault(corpus, {}).update(dict.fromkeys(rule, "any"))
    return _scheme("units", ("any",), **rules)


SCHEMES: Mapping[str, Scheme] = MappingProxyType({scheme.name: scheme for scheme in _ALL})

UNITS_SCHEME = _keep_every_emotion()
"""The scheme of the task `units`. It keeps every clip of a corpus with annotated action units, with one class."""
