"""Run a whole protocol for one model: plan its folds, train and predict each one, and score them together.

    store, clips ──plan_training──▶ PlannedTraining ──train──▶ folds ──score──▶ Evaluation

The stage `train` and the Python API both use it, so their results are the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from microfacial.errors import StorageError
from microfacial.evaluation.fold_cache import FoldCache
from microfacial.evaluation.folds import MakeWatch, train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds, protocol_of
from microfacial.evaluation.scoring import pool
from microfacial.evaluation.unit_scoring import keep_annotated, pool_units
from microfacial.models.inputs import make_samples
from microfacial.models.lookup import Model, find_model
from microfacial.preprocessing.devices import find_device
from microfacial.records import Clip, Evaluation, FaceStore, FoldPlan, FoldResult, Samples, UnitEvaluation
from microfacial.settings import Section


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """A model, its samples, and the folds of a protocol.

    Attributes:
        name: name of the model in results.
        model: the variant, or its name.
        settings: settings of the model.
        protocol: the protocol, with the number of repetitions that the model needs.
        samples: all rows of the data set. For the task `units`, the rows with annotated action units.
        plans: the folds of all repetitions.
        device: device that trains networks, `cpu`, `cuda` or `mps`.
    """

    name: str
    model: Model
    settings: Section
    protocol: TrainConfig
    samples: Samples
    plans: Sequence[FoldPlan]
    device: str = "cpu"

    def train(
        self,
        *,
        processes: int,
        cache: FoldCache | None = None,
        make_watch: MakeWatch | None = None,
        report: Callable[[FoldResult], None] | None = None,
    ) -> list[FoldResult]:
        """Train and predict all folds.

        Args:
            processes: number of processes. It changes the time, not the results.
            cache: folder of finished folds; see `train_folds`.
            make_watch: opens a watcher for the training of a chunk; see `train_folds`.
            report: function that is called with each fold as it finishes.

        Returns:
            The results of the folds, sorted by repetition and name.

        Raises:
            ConfigError: training diverges, or the settings do not fit the inputs.
            StorageError: a file in the cache is damaged.
        """
        folds = []
        for fold in train_folds(
            self.samples,
            self.plans,
            self.model,
            self.settings,
            processes=processes,
            cache=cache,
            checkpoints=self.protocol.checkpoints,
            make_watch=make_watch,
            device=self.device,
        ):
            folds.append(fold)
            if report:
                report(fold)
        return sorted(folds, key=lambda fold: (fold.plan.repeat, fold.plan.name))

    def score(self, folds: Sequence[FoldResult]) -> Evaluation:
        """Score the folds together; see `pool`.

        Args:
            folds: the result of `train`.

        Raises:
            ProtocolError: the folds do not predict every clip of the protocol exactly once.
        """
        return pool(self.name, self.samples, folds, self.protocol)

    def score_units(self, folds: Sequence[FoldResult]) -> UnitEvaluation:
        """Score the folds of a training with the task `units` together; see `pool_units`.

        Args:
            folds: the result of `train`.

        Raises:
            ProtocolError: the folds do not predict every clip of the protocol exactly once.
        """
        return pool_units(self.name, self.samples, folds, self.protocol)


def plan_training(
    model: Model,
    settings: Section,
    protocol: TrainConfig,
    store: FaceStore,
    clips: tuple[Clip, ...],
    classes: tuple[str, ...],
    name: str = "",
) -> PlannedTraining:
    """Compute the inputs of a model, and plan its folds.

    Args:
        model: the variant, or its name.
        settings: settings of the model.
        protocol: the protocol of all models.
        store: faces and flow of the clips.
        clips: the clips, in the order of the store.
        classes: names of the classes, in the order of the labels.
        name: name of the model in results. It is needed for a variant without a name.

    Returns:
        The planned training.

    Raises:
        ConfigError: the settings belong to another model, or this machine does not have the device of the protocol.
        ProtocolError: the data cannot be divided by the protocol.
        StorageError: the inputs of a clip are not finite. The message names the clip.
    """
    device = find_device(protocol.device, "train.device")
    protocol = protocol_of(model, protocol)
    samples = make_samples(find_model(model).make_inputs(store, settings), store, clips, classes)
    for clip, values in zip(samples.clips, samples.inputs, strict=True):
        if not np.isfinite(values).all():
            raise StorageError(f"{clip}: its flow or crops are not finite. Compute the features of this clip again")
    if protocol.task == "units":
        samples = keep_annotated(samples)
    return PlannedTraining(
        name=name or str(model),
        model=model,
        settings=settings,
        protocol=protocol,
        samples=samples,
        plans=plan_folds(samples, protocol),
        device=device,
    )
