"""Samplers of Optuna studies, and the names and notes that pages about studies show."""

import warnings
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial, TrialState

from microfacial.tuning.settings import StudyConfig
from microfacial.tuning.study_spec import StudySpec

METRIC = "UF1"
"""Name of the value of a trial."""


class JointGPSampler(BaseSampler):
    """Optuna's Gaussian process on the complete trials that have all parameters.

    Optuna's own sampler models only the parameters that all trials have. Trial 0 has none if its settings are outside
    of the space, so nothing would be modelled.

    Args:
        seed: seed of the sampler.
        startup_trials: number of random trials before the process is used.
    """

    def __init__(self, seed: int, startup_trials: int) -> None:
        self._startup_trials = startup_trials
        self._random = RandomSampler(seed=seed)
        self._process = GPSampler(seed=seed, n_startup_trials=startup_trials)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the parameters that are sampled jointly.

        Args:
            study: the study.
            trial: the running trial.
        """
        return intersection_search_space(_find_modelled(study))

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values that the Gaussian process proposes. Empty before it is used.

        Args:
            study: the study.
            trial: the running trial.
            search_space: the parameters that are sampled jointly.
        """
        modelled = _find_modelled(study)
        if not search_space or len(modelled) < self._startup_trials:
            return {}
        copy = optuna.create_study(direction="maximize", sampler=self._process)
        copy.add_trials(modelled)
        return copy.ask(search_space).params

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a random value of one parameter.

        Args:
            study: the study.
            trial: the running trial.
            param_name: name of the parameter.
            param_distribution: its possible values.
        """
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _find_modelled(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if trial.params]


def make_sampler(config: StudyConfig, number: int) -> BaseSampler:
    """Return the sampler of one trial. Its seed depends on the number, so a resumed study draws the same values.

    Args:
        config: the section `study` of params.yaml.
        number: number of the trial.
    """
    seed = int(np.random.SeedSequence([config.seed, number]).generate_state(1)[0])
    if config.sampler == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if config.sampler == "gp":
            return JointGPSampler(seed, config.startup_trials)
        # Without `group`, a trial 0 outside of the space would prevent the joint sampling of the parameters.
        return TPESampler(seed=seed, n_startup_trials=config.startup_trials, multivariate=True, group=True)


def describe_new_study(study: optuna.Study, spec: StudySpec, config: StudyConfig) -> None:
    """Name the value of trials, and write a note that optuna-dashboard shows.

    Args:
        study: the study.
        spec: what the study searches.
        config: the section `study` of params.yaml.
    """
    from optuna_dashboard import save_note  # takes seconds, and most commands about studies do not need it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([METRIC])
    save_note(study, _write_note(spec, config))


def _write_note(spec: StudySpec, config: StudyConfig) -> str:
    facts = spec.facts
    subjects = facts.get("subjects", ())
    scheme = f", label scheme {facts['scheme']}" if "scheme" in facts else ""
    origin = facts.get("reference", {}).get("origin", "the settings to compare with")
    group = f" without the subjects of {spec.group}" if spec.group else ""
    return (
        f"# {spec.model} on {facts['dataset']}{group}\n\n"
        f"- Data: {facts['dataset']}{scheme}.\n"
        f"- Value: {METRIC} of the predictions of all inner folds, pooled, and averaged over {config.repeats} "
        "repetition(s). The best value is too high, because it was selected.\n"
        f"- Tuning subjects ({len(subjects)}): {', '.join(subjects)}.\n"
        f"- Trial 0: {origin}. Other trials are compared with it fold by fold.\n"
        f"- Searched: {', '.join(spec.space)}.\n"
        f"- Sampler: {config.sampler}, seed {config.seed}, {config.trials} trials.\n\n"
        "`microfacial study show` prints the result on subjects that were not used in the search. "
        f"`microfacial study apply {spec.model}` writes the best settings into params.yaml.\n"
    )
