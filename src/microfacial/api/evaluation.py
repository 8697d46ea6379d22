"""Evaluate any model on extracted features with the protocol that the pipeline uses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from microfacial.api.features import Features
from microfacial.api.own_inputs import is_appearance
from microfacial.api.own_models import make_variant
from microfacial.api.own_networks import BuildNetwork, check_network, name_network_faults
from microfacial.api.result import Result
from microfacial.errors import ConfigError, ProtocolError
from microfacial.evaluation.planned import PlannedTraining, plan_training
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.scoring import gather
from microfacial.models import Estimator, Network, Variant
from microfacial.models.lookup import find_model, needs_frames
from microfacial.models.presets import resolve_variant
from microfacial.preprocessing.devices import find_device
from microfacial.records import FoldResult
from microfacial.settings import Section, check
from microfacial.workers import check_processes


def evaluate(
    model: str | Variant | BuildNetwork | Any,
    features: Features,
    *,
    protocol: str = "loso",
    repeats: int = 1,
    seed: int = 0,
    holdout: Sequence[str] = (),
    validation_folds: int = 5,
    bootstrap_draws: int = 2000,
    settings: Mapping[str, Any] | None = None,
    name: str | None = None,
    processes: int | None = None,
    progress: bool = True,
    device: str = "cpu",
) -> Result:
    """Train and test a model on every fold of a protocol, and score all predictions together.

    All kinds of models get the same folds, seeds and validation folds. No model is fitted on a test row. Equal
    arguments give equal results, whatever the number of processes.

    Args:
        model: the name of a model; or a function that takes the shape of one sample and the number of classes and
            returns an untrained `torch.nn.Module`, whose output is logits `(n, classes)`; or a scikit-learn classifier
            with `predict_proba`, which gets the seed of each fold where it or its parts have an unset `random_state`,
            and which can draw from NumPy's global generator with this seed; or a `Variant`.
        features: the result of `extract`.
        protocol: `loso`, `composite`, `leave-one-dataset-out` or `holdout`.
        repeats: repetitions of the protocol with the seeds `seed`, `seed` + 1, …. A model that ignores the seed is
            fitted once. A classifier without an unset `random_state` counts as such a model.
        seed: seed of the first repetition.
        holdout: test subjects of the protocol `holdout`, such as `casme2/sub03`. Other protocols need an empty list.
        validation_folds: number of groups that the training subjects are divided into.
        bootstrap_draws: number of draws of subjects for confidence intervals.
        settings: settings of the model: the keys of `models.<name>` in params.yaml, with `preset`. A function has the
            keys of every network, such as `epochs` and `early_stopping`. A function and a classifier have `inputs`
            (`face`, `regions`, `windows` or `apex`) and `input_px`.
        name: name of the model in the result. None takes the name of the model, the function or the class.
        processes: number of processes. None uses all cores.
        progress: whether to show a progress bar.
        device: device that trains networks: `cpu`, `cuda`, `mps`, or `auto` for the first of cuda, mps and cpu that
            this machine has.

    Returns:
        Scores, intervals and predictions.

    Raises:
        ConfigError: the model, the protocol or a setting does not exist or is wrong, a network or classifier returns
            something else than it should, or training diverges.
        ProtocolError: the data cannot be divided by the protocol.

    Example:
        >>> result = mf.evaluate("hybrid", features, repeats=5)
        >>> result = mf.evaluate(lambda shape, classes: MyNetwork(shape, classes), features, settings={"epochs": 30})
        >>> result = mf.evaluate(LogisticRegression(max_iter=500), features, settings={"inputs": "regions"})
    """
    if not isinstance(features, Features):
        raise ConfigError(f"evaluate needs the result of extract, not {type(features).__name__}. Call extract first")
    config = check(
        {
            "protocol": protocol,
            "repeats": repeats,
            "seed": seed,
            "holdout": holdout,
            "validation_folds": validation_folds,
            "bootstrap_draws": bootstrap_draws,
            "device": device,
        },
        TrainConfig,
        "evaluate",
    )
    _check_protocol(config, features)
    count = check_processes(processes)
    planned = _plan(model, features, config, settings, name)
    check_network(find_model(planned.model), planned.samples, planned.settings)
    shown = tqdm(total=len(planned.plans), desc=planned.name, unit="fold", disable=not progress)
    with shown as bar, name_network_faults(find_model(planned.model)):

        def report(fold: FoldResult) -> None:
            bar.update()

        folds = planned.train(processes=count, report=report)
    return Result(
        evaluation=planned.score(folds),
        predictions=gather(planned.name, planned.samples, folds, planned.protocol),
        folds=tuple(folds),
        protocol=planned.protocol,
        settings=planned.settings,
    )


def _check_protocol(config: TrainConfig, features: Features) -> None:
    """Refuse a protocol for which an argument is missing, and a device that this machine does not have."""
    if config.ignores_holdout:
        raise ConfigError(
            f"evaluate: holdout lists {config.holdout[0]}, but the protocol {config.protocol} tests all subjects. Pass "
            'protocol="holdout", or leave holdout out'
        )
    if config.protocol == "holdout" and not config.holdout:
        raise ProtocolError('evaluate: protocol="holdout" needs holdout=[…], the test subjects, such as casme2/sub03')
    corpora = {clip.corpus for clip in features.clips}
    if config.protocol == "leave-one-dataset-out" and len(corpora) < 2:
        raise ProtocolError(
            f"evaluate: leave-one-dataset-out needs at least 2 corpora, but there is only {', '.join(corpora)}. Load "
            "several corpora with load_corpus, or choose loso"
        )
    find_device(config.device, "evaluate: device")


def _plan(
    model: Any, features: Features, config: TrainConfig, settings: Mapping[str, Any] | None, name: str | None
) -> PlannedTraining:
    """Find or make the variant, check its settings, and plan its folds."""
    if isinstance(model, str):
        default_name, variant = model, find_model(model)
    elif isinstance(model, Estimator | Network):
        default_name, variant = "model", model
    else:
        default_name, variant = make_variant(model)
    chosen = default_name if name is None else name
    if not isinstance(chosen, str) or not chosen:
        raise ConfigError(f"evaluate: name must be a text, found {chosen!r}")
    resolved = _resolve(variant, settings, chosen)
    if is_appearance(resolved) and isinstance(variant, Network):
        variant = replace(variant, shows="appearance")
    if features.store.unit == "stretched" and (needs_frames(variant) or is_appearance(resolved)):
        raise ConfigError(f"{chosen} needs frames, and published flow maps have none. Choose another model or inputs")
    return plan_training(
        model if isinstance(model, str) else variant,
        resolved,
        config,
        features.store,
        features.clips.clips,
        features.clips.classes,
        name=chosen,
    )


def _resolve(variant: Variant, settings: Mapping[str, Any] | None, name: str) -> Section:
    if settings is not None and not isinstance(settings, Mapping):
        raise ConfigError(f"{name}: settings must be a mapping of keys, found {type(settings).__name__}")
    return resolve_variant(variant, dict(settings or {}), name)
