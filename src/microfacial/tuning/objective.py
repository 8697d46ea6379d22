"""The inner folds of a study: train and score candidates on the tuning subjects.

    tuning subjects ──plan_groups──▶ inner folds ──train──▶ results, chunk by chunk, in shuffled order

A candidate is trained and tested on clips of the tuning subjects only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.evaluation.folds import Chunk, chunk_plans
from microfacial.evaluation.protocols import TrainConfig, plan_groups
from microfacial.evaluation.scoring import gather
from microfacial.records import FoldPlan, FoldResult, Predictions, Samples
from microfacial.training.fit import chunk_size
from microfacial.tuning.candidates import Candidate, CandidateTrainer
from microfacial.tuning.settings import StudyConfig


@dataclass(frozen=True, kw_only=True)
class InnerFolds:
    """The folds on which all trials of a study are trained and compared.

    Attributes:
        trainer: the data set, and the trainer of its folds.
        subjects: names of the tuning subjects.
        config: the `study` section of params.yaml.
    """

    trainer: CandidateTrainer
    subjects: tuple[str, ...]
    config: StudyConfig

    @cached_property
    def protocol(self) -> TrainConfig:
        """The protocol of the `train` section with the seed and the repetitions of the study.

        No tuning subject is held out under `holdout`, so its inner folds are those of `composite`.
        """
        protocol = self.trainer.data.protocol
        changes: dict[str, Any] = {"seed": self.config.seed, "repeats": self.config.repeats}
        if protocol.protocol == "holdout":
            changes |= {"protocol": "composite", "holdout": ()}
        return protocol.model_copy(update=changes)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Row numbers of the tuning subjects' clips in the data set, `(N,)`."""
        return np.flatnonzero(np.isin([clip.person for clip in self.trainer.data.clips], self.subjects))

    @cached_property
    def class_shares(self) -> NDArray[np.float64]:
        """Share of each class among the tuning subjects' clips, `(K,)`."""
        data = self.trainer.data
        labels = [data.classes.index(data.clips[row].label) for row in self.rows]
        return np.bincount(labels, minlength=len(data.classes)) / len(labels)

    @cached_property
    def plans(self) -> list[FoldPlan]:
        """Inner folds in the order of their steps: repetition × folds per repetition + fold.

        Raises:
            ProtocolError: there are too few subjects.
        """
        return plan_groups(self.trainer.rows.take(self.rows), self.config.inner_folds, self.protocol)

    @property
    def folds_per_repetition(self) -> int:
        """Number of inner folds in one repetition."""
        return len(self.plans) // self.protocol.repeats

    def make_samples(self, candidate: Candidate) -> Samples:
        """Return the tuning subjects' rows with the inputs of a candidate.

        Args:
            candidate: the model and its settings.

        Returns:
            Samples of the tuning subjects only.
        """
        return self.trainer.make_samples(candidate).take(self.rows, shared=True)

    def train(self, candidate: Candidate, order: int) -> Iterator[list[FoldResult]]:
        """Train and predict the inner folds of a candidate, repetition by repetition.

        The order of chunks is shuffled within each repetition. The folds that train together do not depend on the
        order, so the same settings give the same results. As many chunks are trained at once as there are processes.
        The results and their order do not depend on the number of processes.

        Args:
            candidate: the model and its settings.
            order: seed of the shuffled order.

        Yields:
            The results of one chunk of folds.

        Raises:
            ConfigError: training diverges, or the settings do not fit the inputs.
            ProtocolError: there are too few subjects.
        """
        samples = self.make_samples(candidate)
        chunks = self._shuffle(chunk_size(candidate.model, candidate.settings, samples, self.trainer.device), order)
        processes = self.trainer.processes
        for start in range(0, len(chunks), processes):
            batch = chunks[start : start + processes]
            folds = {
                fold.plan.key: fold for fold in self.trainer.train("inner", candidate, samples, batch, self.protocol)
            }
            yield from ([folds[plan.key] for plan in chunk] for chunk in batch)

    def gather(self, name: str, folds: Sequence[FoldResult]) -> Predictions:
        """Join the predictions of all inner folds.

        Args:
            name: name of the settings, used in comparisons.
            folds: results of all inner folds, in any order.

        Returns:
            Predictions of the tuning subjects' clips, one of each clip in each repetition.

        Raises:
            ProtocolError: the folds of a repetition do not predict every clip exactly once.
        """
        return gather(name, self.trainer.rows.take(self.rows), folds, self.protocol)

    def _shuffle(self, size: int, order: int) -> list[Chunk]:
        """Return random chunks, which are the same for every order, shuffled by the order."""
        chunk_random = np.random.default_rng(self.config.seed)
        order_random = np.random.default_rng([self.config.seed, order])
        shuffled: list[Chunk] = []
        for start in range(0, len(self.plans), self.folds_per_repetition):
            repetition = self.plans[start : start + self.folds_per_repetition]
            chunks = chunk_plans([repetition[index] for index in chunk_random.permutation(len(repetition))], size)
            shuffled += [chunks[index] for index in order_random.permutation(len(chunks))]
        return shuffled
