"""A model that answers about films: the trained model, the note about it, and the calibration of its probabilities.

The motion prior is in the package, so it answers without data and without a project.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from microfacial.datasets import find_scheme
from microfacial.errors import ConfigError, StorageError
from microfacial.inference.film_answer import MISUSE, ModelNote
from microfacial.inference.temperature import apply_temperature, are_probabilities
from microfacial.models.inputs import portrait
from microfacial.models.prior import INPUT_PX, PRIOR_SHA256, emotion_shares, load_prior
from microfacial.models.unit_description import MovedUnit, describe_units
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import WINDOWS, FlowConfig
from microfacial.records import ONSET_APEX, FaceStore, FloatArray

PRIOR = "motion_prior"
DEFAULT_SCHEME = "megc2019-3"
"""Label scheme of the prior outside of a project. The prior's scores on real maps are measured with it."""

PRIOR_TEMPERATURE = 0.97
"""Temperature of the prior's probabilities. `python benchmarks/calibration.py` fits it on 32,768 drawn clips."""

Recognise = Callable[[FaceStore], FloatArray]
"""Return the probabilities of one clip, `(K,)`, before calibration."""


@dataclass(frozen=True, kw_only=True)
class AnsweringModel:
    """A model with everything that an answer needs.

    Attributes:
        note: description of the model, which every output names.
        faces: settings that locate the face.
        flow: settings that compute the flow.
        recognise: function that returns the probabilities of a store with one clip.
        on_device: function that returns `recognise` with the networks on a device: `cpu`, `cuda` or `mps`. None if the
            model has no network that another device can compute.
        weigh_regions: function that returns the weight of each region for a store with one clip, by name. None if the
            model has no regions.
        windows: windows of flow that the model needs in a film. Fewer windows take less time.
        temperature: calibrates the probabilities of spotted movements; 1 leaves them unchanged.
    """

    note: ModelNote
    faces: FacesConfig
    flow: FlowConfig
    recognise: Recognise
    on_device: Callable[[str], Recognise] | None = None
    weigh_regions: Callable[[FaceStore], Mapping[str, float]] | None = None
    windows: tuple[str, ...] = WINDOWS
    temperature: float = 1.0

    def to(self, device: str) -> "AnsweringModel":
        """Return the same model with its networks on another device. The motion prior uses the processor.

        Args:
            device: `cpu`, `cuda` or `mps`.
        """
        return self if self.on_device is None else replace(self, recognise=self.on_device(device))

    def probabilities(self, store: FaceStore, *, calibrated: bool) -> dict[str, float]:
        """Return the probability of each class for a store with one clip.

        Args:
            store: crops and flow of the clip.
            calibrated: whether to apply the temperature.

        Raises:
            DatasetError: the store does not have the windows that the model needs.
            StorageError: the predictions are no probabilities.
        """
        values = self.recognise(store)
        if not are_probabilities(values):
            raise StorageError(
                f"the predictions of {self.note.name} are no probabilities, so its weights are damaged. "
                "Register it again"
            )
        if calibrated:
            values = apply_temperature(values, self.temperature)
        return dict(zip(self.note.classes, values.tolist(), strict=True))

    def attention(self, store: FaceStore) -> Mapping[str, float]:
        """Return the weight of each region for a store with one clip, by name. Empty if the model has no regions.

        Args:
            store: crops and flow of the clip.
        """
        return {} if self.weigh_regions is None else self.weigh_regions(store)


def find_units(store: FaceStore) -> tuple[MovedUnit, ...]:
    """Return the action units that moved in a clip according to the motion prior, the most probable first.

    Args:
        store: a store with one clip.
    """
    return describe_units(portrait(store, INPUT_PX).values)[0]


def open_prior(
    scheme: str = DEFAULT_SCHEME, faces: FacesConfig | None = None, flow: FlowConfig | None = None
) -> AnsweringModel:
    """Return the motion prior in the package with the classes of a label scheme.

    Args:
        scheme: name of the label scheme.
        faces: how to locate the face. Defaults to the settings in the package's params.yaml.
        flow: how to compute the flow. Defaults to the settings in the package's params.yaml.

    Raises:
        ConfigError: there is no such scheme, or the prior has no emotion for one of its classes.
        StorageError: the weights are missing or damaged.
    """
    classes = find_scheme(scheme).classes
    try:
        shares = emotion_shares(classes)
    except ConfigError:  # its remedy is for trainings
        raise ConfigError(
            f"the motion prior does not know the classes {', '.join(classes)} of the scheme {scheme}. Choose another "
            f"scheme, such as {DEFAULT_SCHEME}"
        ) from None
    prior = load_prior()

    def recognise(store: FaceStore) -> FloatArray:
        return np.asarray(prior.class_probabilities(portrait(store, INPUT_PX).values, shares)[0])

    note = ModelNote(
        name=PRIOR,
        version=f"weights {PRIOR_SHA256[:8]}",
        scheme=scheme,
        classes=classes,
        trained_on="drawn motion only, no face and no real clip",
        scores=_PRIOR_SCORES,
        prohibited=MISUSE,
        calibration=f"temperature {PRIOR_TEMPERATURE}, fitted on drawn clips; none for given moments",
    )
    return AnsweringModel(
        note=note,
        faces=faces or FacesConfig(),
        flow=flow or FlowConfig(),
        recognise=recognise,
        windows=(ONSET_APEX,),
        temperature=PRIOR_TEMPERATURE,
    )


_PRIOR_SCORES = (
    "on 309 published flow maps of CASME II and SMIC, three classes, without training on them: UF1 .783 (95 % interval "
    ".698 to .858), UAR .794 (.720 to .859). No score on whole films"
)
