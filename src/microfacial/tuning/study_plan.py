"""Plan a study: its name, its reference settings, and one search for each part.

split   one part: search on the tuning subjects, then score on the others
nested  one part for each outer group: search on all subjects outside of the group, then predict the group
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from microfacial.errors import ConfigError
from microfacial.evaluation.experiment import Data
from microfacial.evaluation.protocols import ignores_seed
from microfacial.files import as_file_name, digest
from microfacial.source_code import modules_digest
from microfacial.tuning.candidates import Candidate, CandidateTrainer
from microfacial.tuning.objective import InnerFolds
from microfacial.tuning.search_space import Space, find_space
from microfacial.tuning.settings import StudyConfig
from microfacial.tuning.study_spec import StudySpec
from microfacial.tuning.subjects import choose_tuning_subjects, divide_into_outer_groups

_TRIAL_MODULES = (  # the code that a trial's settings and value depend on, besides the code that trains
    "candidates",
    "objective",
    "optuna_storage",
    "optuna_study",
    "pruning_rule",
    "search_space",
    "study_spec",
    "subjects",
    "trials",
)
_BUDGET = {"trials", "max_minutes", "storage", "workers", "heartbeat_seconds"}  # settings that change no trial
_COVERED = {"tuning_subjects"}  # the digest contains the resulting subjects instead


@dataclass(frozen=True)
class Reference:
    """The settings of trial 0.

    Attributes:
        candidate: the model and its settings.
        origin: where they come from, in words.
        tuned_on: names of the subjects on which they were tuned.
    """

    candidate: Candidate
    origin: str
    tuned_on: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StudyPart:
    """One search of a study.

    Attributes:
        spec: what is searched.
        inner_folds: folds on which trials are trained.
    """

    spec: StudySpec
    inner_folds: InnerFolds

    @property
    def label(self) -> str:
        """Short name for messages, such as `study hybrid group 1`."""
        return f"study {self.spec.model} {self.spec.group}".strip()


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study: one part if it is split, one for each outer group if it is nested.

    Attributes:
        name: name of the study, with a digest of everything that its trials depend on.
        model: name of the model whose settings are searched.
        config: the `study` section of params.yaml, with the number of repetitions that the models need.
        reference: settings of trial 0.
        tuned_before: names of the subjects on which earlier settings of the model or those of trial 0 were tuned.
        parts: the searches.
    """

    name: str
    model: str
    config: StudyConfig
    reference: Reference
    tuned_before: tuple[str, ...]
    parts: tuple[StudyPart, ...]


def plan_study(
    *,
    base: Candidate,
    reference: Reference,
    tuned_on: Sequence[str],
    config: StudyConfig,
    scheme: str,
    dataset: str,
    trainer: CandidateTrainer,
) -> StudyPlan:
    """Plan the study of a model. If no model of the study uses the seed, there are no repetitions.

    Args:
        base: the model with the settings of params.yaml.
        reference: settings of trial 0.
        tuned_on: names of the subjects on which the settings of params.yaml were tuned.
        config: the `study` section of params.yaml.
        scheme: name of the label scheme.
        dataset: name of the data set.
        trainer: the data set and the digests of its features and of the code. Its folder contains the folds of all
            studies; each part gets a subfolder.

    Returns:
        The plan. Its name changes if the data, the code, the space, the protocol, trial 0 or the tuning subjects
        change.

    Raises:
        ConfigError: the model has no parameters to search, a subject does not exist, or the study is nested and
            subjects are listed.
        ProtocolError: the study is nested, and the protocol does not test every subject by itself.
    """
    if ignores_seed(base.model) and ignores_seed(reference.candidate.model):
        protocol = trainer.data.protocol.model_copy(update={"repeats": 1})
        trainer = replace(trainer, data=replace(trainer.data, protocol=protocol))
        config = config.model_copy(update={"repeats": 1})
    space = find_space(base.model, config.fixed_parameters)
    subjects = _choose_subjects(trainer.data, config)
    tuned_before = tuple(sorted({*tuned_on, *reference.tuned_on}))
    facts = {
        "dataset": dataset,
        "scheme": scheme,
        "mode": config.mode,
        "data": trainer.features,
        "base": base.settings.model_dump(mode="json"),
        "reference": {"origin": reference.origin, "tuned_on": list(reference.tuned_on)},
        "tuned_before": list(tuned_before),
    }
    name = f"{dataset}-{base.model}-{_digest(trainer, config, space, reference, facts, subjects)[:12]}"
    parts = []
    for group, names in subjects.items():
        part_name = f"{name} {group}".strip()
        spec = StudySpec(
            name=part_name,
            model=base.model,
            base=base.settings.model_dump(),
            space=space,
            reference=reference.candidate,
            facts={**facts, "study": name, "subjects": list(names)},
            group=group,
        )
        part_trainer = replace(trainer, folder=trainer.folder / as_file_name(part_name))
        parts.append(StudyPart(spec=spec, inner_folds=InnerFolds(trainer=part_trainer, subjects=names, config=config)))
    return StudyPlan(
        name=name,
        model=base.model,
        config=config,
        reference=reference,
        tuned_before=tuned_before,
        parts=tuple(parts),
    )


def _choose_subjects(data: Data, config: StudyConfig) -> dict[str, tuple[str, ...]]:
    """Return the tuning subjects of each part by the name of its outer group."""
    if config.mode == "split":
        return {"": choose_tuning_subjects(data, config.tuning_subjects)}
    if config.tuning_subjects:
        raise ConfigError(
            f"params.yaml: study.tuning_subjects lists {config.tuning_subjects[0]}, but study.mode nested tunes on all "
            "subjects outside of each group. Empty the list, or set study.mode: split"
        )
    subjects = sorted({clip.person for clip in data.clips})
    groups = divide_into_outer_groups(data, config.outer_groups, config.seed)
    return {
        f"group {number}": tuple(name for name in subjects if name not in group) for number, group in enumerate(groups)
    }


def _digest(
    trainer: CandidateTrainer,
    config: StudyConfig,
    space: Space,
    reference: Reference,
    facts: Mapping[str, Any],
    subjects: Mapping[str, Sequence[str]],
) -> str:
    """Return a digest of everything that trials depend on."""
    return digest(
        [],
        modules_digest([f"tuning.{module}" for module in _TRIAL_MODULES]),
        trainer.code,
        facts,
        subjects,
        {name: repr(parameter) for name, parameter in space.items()},
        reference.candidate.facts,
        trainer.data.protocol.model_dump(mode="json"),
        config.model_dump(mode="json", exclude=_BUDGET | _COVERED),
    )
