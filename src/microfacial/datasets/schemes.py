"""Label schemes by name: which annotated emotion belongs to which class, and which are left out on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from microfacial.errors import DatasetError


@dataclass(frozen=True)
class Scheme:
    """A fixed class list. An emotion that is neither mapped nor dropped is an error, never silently skipped."""

    name: str
    classes: tuple[str, ...]
    class_of: Mapping[str, str]
    dropped: frozenset[str] = frozenset()

    def label(self, emotion: str, where: str) -> str | None:
        """Class of an annotated emotion, or None if the scheme leaves the emotion out.

        Raises:
            DatasetError: the scheme does not know the emotion.
        """
        if emotion in self.dropped:
            return None
        if emotion not in self.class_of:
            known = ", ".join(sorted({*self.class_of, *self.dropped}))
            raise DatasetError(
                f"{where}: unknown label {emotion!r} (scheme {self.name} knows {known}). "
                "Correct the annotation or list the clip under clips.exclude"
            )
        return self.class_of[emotion]


_CASME2_FOUR = ("happiness", "disgust", "surprise", "repression")
_MEGC2019_THREE = ("negative", "positive", "surprise")

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "casme2-4": Scheme(
            "casme2-4",
            _CASME2_FOUR,
            MappingProxyType({emotion: emotion for emotion in _CASME2_FOUR}),
            frozenset({"others", "sadness", "fear"}),
        ),
        "megc2019-3": Scheme(
            "megc2019-3",
            _MEGC2019_THREE,
            MappingProxyType({emotion: emotion for emotion in _MEGC2019_THREE}),
        ),
    }
)
