"""Settings tried on the subjects that a study tunes on, and afterwards scored on those that it does not.

    tuned on ──plan_groups──▶ inner folds ──try_settings──▶ folds, a chunk at a time, in shuffled order
    everyone ──plan_folds──▶ the protocol ──evaluate──▶ predictions ──judge──▶ unseen · tuned on · all

What is tried sees the clips of the subjects that are tuned on, and no others. `evaluate` scores everyone, once the
settings stand. Finished folds of both are journaled.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ConfigError, ProtocolError
from microfacial.evaluation.experiment import Data
from microfacial.evaluation.fold_cache import FoldCache, fold_key
from microfacial.evaluation.folds import Chunk, chunk_plans, train_chunks
from microfacial.evaluation.protocols import TrainConfig, divide_subjects, plan_folds, plan_groups
from microfacial.evaluation.scoring import gather
from microfacial.evaluation.significance import compare_predictions, count_by_subject
from microfacial.metrics import uar, uf1
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.records import FoldPlan, FoldResult, Inputs, Predictions, Samples
from microfacial.settings import Section
from microfacial.training.fit import arithmetic, chunk_size
from microfacial.tuning.search_space import StudyConfig
from microfacial.tuning.trials import StudyScore


@dataclass(frozen=True)
class Candidate:
    """A variant with settings to try."""

    model: str
    settings: Section

    @property
    def facts(self) -> tuple[object, ...]:
        """What tells it from other candidates."""
        return self.model, self.settings.model_dump(mode="json"), arithmetic(self.settings)


@dataclass(frozen=True, kw_only=True)
class InnerFolds:
    """What all trials of a study share.

    Args:
        subjects: who is tuned on.
        folder: where finished folds are kept.
        features: digest of clips, faces and flow.
        code: digest of the code that trains.
        processes: they change the time, not the results.
    """

    data: Data
    subjects: tuple[str, ...]
    config: StudyConfig
    folder: Path
    features: str
    code: str
    processes: int

    @cached_property
    def inner(self) -> TrainConfig:
        """The protocol among the subjects that are tuned on."""
        return self.data.protocol.model_copy(update={"seed": self.config.seed, "repeats": self.config.repeats})

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Clips of the subjects that are tuned on."""
        return np.flatnonzero(np.isin([clip.person for clip in self.data.clips], self.subjects))

    @cached_property
    def class_shares(self) -> NDArray[np.float64]:
        """Of the clips that are tuned on, `(K,)`."""
        labels = [self.data.classes.index(self.data.clips[row].label) for row in self.rows]
        return np.bincount(labels, minlength=len(self.data.classes)) / len(labels)

    @cached_property
    def plans(self) -> list[FoldPlan]:
        """Inner folds, in the order of their steps: repetition × folds + fold.

        Raises:
            ProtocolError: there are too few subjects.
        """
        return plan_groups(self._blank.take(self.rows), self.config.inner_folds, self.inner)

    @property
    def folds(self) -> int:
        """Inner folds of a repetition."""
        return len(self.plans) // self.inner.repeats

    def inputs(self, candidate: Candidate) -> Samples:
        """What a candidate sees of the subjects that are tuned on, and of nobody else."""
        return self._show(candidate).take(self.rows)

    def try_settings(self, candidate: Candidate, order: int) -> Iterator[list[FoldResult]]:
        """Inner folds of a candidate, a chunk at a time; repetition by repetition, shuffled within each by `order`.

        Who trains together does not depend on the order, so that the same settings give the same folds. As many chunks
        as there are processes are trained at once; what is yielded, and when, does not depend on how many that are.

        Raises:
            ConfigError: the settings cannot be trained.
            ProtocolError: there are too few subjects.
        """
        samples = self.inputs(candidate)
        chunks = self._shuffle(chunk_size(candidate.model, candidate.settings, samples), order)
        for start in range(0, len(chunks), self.processes):
            batch = chunks[start : start + self.processes]
            folds = {fold.plan.key: fold for fold in self._run("inner", candidate, samples, batch)}
            yield from ([folds[plan.key] for plan in chunk] for chunk in batch)

    def gather_inner(self, name: str, folds: Sequence[FoldResult]) -> Predictions:
        """Predictions of all inner folds."""
        return gather(name, self._blank.take(self.rows), folds, self.inner)

    def _shuffle(self, size: int, order: int) -> list[Chunk]:
        """Chunks of subjects at random, the same for every order, then in an order of their own."""
        mixed, random = np.random.default_rng(self.config.seed), np.random.default_rng([self.config.seed, order])
        chunks: list[Chunk] = []
        for start in range(0, len(self.plans), self.folds):
            own = self.plans[start : start + self.folds]
            groups = chunk_plans([own[index] for index in mixed.permutation(len(own))], size)
            chunks += [groups[index] for index in random.permutation(len(groups))]
        return chunks

    # --- once settings stand ------------------------------------------------------------------------------------------

    def plan_protocol(self, only: Collection[str] | None = None) -> list[FoldPlan]:
        """Folds of the `train` section's protocol; `only` those that hold out nobody but these subjects."""
        plans = plan_folds(self._blank, self.data.protocol)
        if only is None:
            return plans
        return [plan for plan in plans if set(self._blank.subjects[plan.test_rows].tolist()) <= set(only)]

    def evaluate(self, candidate: Candidate, plans: Sequence[FoldPlan]) -> Iterator[FoldResult]:
        """Train and predict folds of the protocol, among everyone."""
        samples = self._show(candidate)
        size = chunk_size(candidate.model, candidate.settings, samples)
        yield from self._run("protocol", candidate, samples, chunk_plans(plans, size))

    def gather_protocol(self, name: str, folds: Sequence[FoldResult]) -> Predictions:
        """Predictions of all folds of the protocol."""
        return gather(name, self._blank, folds, self.data.protocol)

    # --- both ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _blank(self) -> Samples:
        """Who everyone is, and nothing to see."""
        inputs = Inputs(values=np.empty((len(self.data.clips), 0), np.float32))
        return make_samples(inputs, self.data.store, self.data.clips, self.data.classes)

    def _show(self, candidate: Candidate) -> Samples:
        """What a candidate sees of everyone."""
        inputs = MODELS[candidate.model].make_inputs(self.data.store, candidate.settings)
        return make_samples(inputs, self.data.store, self.data.clips, self.data.classes)

    def _run(self, kind: str, candidate: Candidate, samples: Samples, chunks: Sequence[Chunk]) -> Iterator[FoldResult]:
        model, settings, classes = candidate.model, candidate.settings, self.data.classes
        key = fold_key(self.features, self.code, self.data.protocol, model, settings, classes)
        cache = FoldCache(self.folder / kind, key)
        return train_chunks(samples, chunks, model, settings, processes=self.processes, cache=cache)


# --- whom to tune on --------------------------------------------------------------------------------------------------


def tuning_subjects(data: Data, listed: Sequence[str]) -> tuple[str, ...]:
    """Who is tuned on: those that are listed; else every second of each corpus, in the order of their names.

    Under the protocol `holdout` it is all those that are not held out.

    Raises:
        ConfigError: there is no such subject, or nobody is left to score.
    """
    everyone = sorted({clip.person for clip in data.clips})
    strangers = [name for name in listed if name not in everyone]
    if strangers:
        raise ConfigError(f"params.yaml: study.subjects: no clip is of {', '.join(strangers)}; such as {everyone[0]}")
    if listed:
        chosen = sorted(set(listed))
    elif data.protocol.protocol == "holdout":
        chosen = sorted(set(everyone) - set(data.protocol.holdout))
    else:
        corpora = sorted({clip.corpus for clip in data.clips})
        chosen = [
            name for corpus in corpora for name in [one for one in everyone if one.rpartition("/")[0] == corpus][::2]
        ]
    if len(chosen) == len(everyone):
        raise ConfigError("params.yaml: study.subjects lists everyone: nobody is left to score the settings on")
    return tuple(chosen)


def outer_groups(data: Data, groups: int, seed: int) -> list[tuple[str, ...]]:
    """Everyone in groups of about equal classes, each of which is predicted by what was tuned on the others.

    Raises:
        ProtocolError: the protocol does not hold out subjects one by one.
        ConfigError: there are fewer subjects than groups.
    """
    if data.protocol.protocol not in ("loso", "composite"):
        raise ProtocolError("study.mode nested predicts every subject: set train.protocol to loso or composite")
    subjects = np.array([clip.person for clip in data.clips])
    labels = np.array([clip.label for clip in data.clips])
    if groups > len(np.unique(subjects)):
        raise ConfigError(f"params.yaml: study.outer_groups {groups}: there are {len(np.unique(subjects))} subjects")
    group = divide_subjects(np.unique(labels, return_inverse=True)[1], subjects, groups, seed)
    return [tuple(np.unique(subjects[group == number]).tolist()) for number in np.unique(group)]


# --- what it is worth -------------------------------------------------------------------------------------------------


def score_candidate(part: str, found: Predictions, reference: Predictions, *, config: TrainConfig) -> StudyScore:
    """Scores of both and their paired difference; intervals draw subjects."""
    pooled = [count_by_subject(one).sum(axis=1) for one in (found, reference)]
    return StudyScore(
        part=part,
        subjects=len(np.unique(found.subjects)),
        clips=len(found.clips),
        uf1=(float(uf1(pooled[0]).mean()), float(uf1(pooled[1]).mean())),
        uar=(float(uar(pooled[0]).mean()), float(uar(pooled[1]).mean())),
        difference=compare_predictions(found, reference, config.bootstrap_draws, config.seed),
    )
