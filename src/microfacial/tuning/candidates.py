"""Train folds with the settings of a candidate, and store finished folds in a cache.

    all subjects ──plan_protocol──▶ folds of the `train` section ──train_protocol──▶ predictions of all test rows

A search uses `InnerFolds` instead, which contains only the tuning subjects. `train_protocol` uses all subjects. It is
called after the search, when the settings are chosen.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path

import numpy as np

from microfacial.evaluation.experiment import Data
from microfacial.evaluation.fold_cache import FoldCache, fold_key
from microfacial.evaluation.folds import Chunk, chunk_plans, train_chunks
from microfacial.evaluation.protocols import TrainConfig, ignores_seed, plan_folds
from microfacial.evaluation.scoring import gather
from microfacial.models.inputs import make_samples
from microfacial.models.lookup import find_model
from microfacial.preprocessing.devices import find_device
from microfacial.records import FoldPlan, FoldResult, Inputs, Predictions, Samples
from microfacial.settings import Section
from microfacial.training.fit import arithmetic, chunk_size


@dataclass(frozen=True)
class Candidate:
    """A model with settings that a study may choose.

    Attributes:
        model: name of a model.
        settings: settings of the model.
    """

    model: str
    settings: Section

    @property
    def facts(self) -> tuple[object, ...]:
        """Everything that distinguishes the results of this candidate from those of others."""
        return self.model, self.settings.model_dump(mode="json"), arithmetic(self.settings)


@dataclass(frozen=True, kw_only=True)
class CandidateTrainer:
    """Train candidates on a data set.

    Attributes:
        data: the data set and the protocol.
        folder: folder of finished folds.
        features: digest of clips, faces and flow.
        code: digest of the code that trains and predicts.
        processes: number of processes. It changes the time, not the results.
    """

    data: Data
    folder: Path
    features: str
    code: str
    processes: int

    @cached_property
    def device(self) -> str:
        """Device that trains networks.

        Raises:
            ConfigError: this machine does not have the device of the protocol.
        """
        return find_device(self.data.protocol.device, "train.device")

    @cached_property
    def rows(self) -> Samples:
        """All rows of the data set with labels and subjects, but without inputs."""
        inputs = Inputs(values=np.empty((len(self.data.clips), 0), np.float32))
        return make_samples(inputs, self.data.store, self.data.clips, self.data.classes)

    def make_samples(self, candidate: Candidate) -> Samples:
        """Return all rows of the data set with the inputs of a candidate.

        Args:
            candidate: the model and its settings.

        Returns:
            Samples of all subjects.
        """
        inputs = find_model(candidate.model).make_inputs(self.data.store, candidate.settings)
        return make_samples(inputs, self.data.store, self.data.clips, self.data.classes)

    def train(
        self,
        kind: str,
        candidate: Candidate,
        samples: Samples,
        chunks: Sequence[Chunk],
        protocol: TrainConfig,
    ) -> Iterator[FoldResult]:
        """Train and predict folds. Folds that are in the cache are not trained again.

        A model that ignores the seed is fitted for the first repetition only. The other repetitions get the same
        results, so that it can be compared with a model that needs them.

        Args:
            kind: subfolder of the cache: `inner` or `protocol`.
            candidate: the model and its settings.
            samples: rows that the plans of the chunks refer to.
            chunks: groups of folds that train together.
            protocol: the protocol of the plans.

        Yields:
            The results of the folds, in any order.
        """
        model, settings, classes = candidate.model, candidate.settings, self.data.classes
        key = fold_key(self.features, self.code, self.data.protocol, model, settings, classes)
        cache = FoldCache(self.folder / kind, key)
        train = partial(
            train_chunks,
            samples,
            model=model,
            settings=settings,
            processes=self.processes,
            cache=cache,
            device=self.device,
        )
        if not ignores_seed(model):
            yield from train(chunks=chunks)
            return
        plans: dict[str, list[FoldPlan]] = defaultdict(list)
        for plan in chain(*chunks):
            plans[plan.name].append(plan)
        first = [(replace(repetitions[0], repeat=protocol.seed),) for repetitions in plans.values()]
        for fold in train(chunks=first):
            yield from (replace(fold, plan=plan) for plan in plans[fold.plan.name])

    def plan_protocol(self, subjects: Collection[str] | None = None) -> list[FoldPlan]:
        """Plan the folds of the protocol in the `train` section.

        Args:
            subjects: plan only folds whose test rows all belong to these subjects. None plans all folds.

        Returns:
            Plans whose rows refer to all rows of the data set.

        Raises:
            ProtocolError: the data cannot be divided by the protocol.
        """
        plans = plan_folds(self.rows, self.data.protocol)
        if subjects is None:
            return plans
        return [plan for plan in plans if set(self.rows.subjects[plan.test_rows].tolist()) <= set(subjects)]

    def train_protocol(self, candidate: Candidate, plans: Sequence[FoldPlan]) -> Iterator[FoldResult]:
        """Train and predict folds of the protocol on all subjects.

        Args:
            candidate: the model and its settings.
            plans: folds from `plan_protocol`.

        Returns:
            An iterator over the results of the folds, in any order.

        Raises:
            ConfigError: training diverges, or the settings do not fit the inputs.
        """
        samples = self.make_samples(candidate)
        size = chunk_size(candidate.model, candidate.settings, samples, self.device)
        return self.train("protocol", candidate, samples, chunk_plans(plans, size), self.data.protocol)

    def gather_protocol(self, name: str, folds: Sequence[FoldResult]) -> Predictions:
        """Join the predictions of all folds of the protocol.

        Args:
            name: name of the settings, used in comparisons.
            folds: results of all folds of the protocol, in any order.

        Returns:
            Predictions of all test rows.

        Raises:
            ProtocolError: the folds do not predict every clip of the protocol exactly once.
        """
        return gather(name, self.rows, folds, self.data.protocol)
