"""Command `register`: what the pipeline trained → a packed model with its evidence, the challenger in the registry."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copy
from typing import Any

import click

from microfacial import __version__, files
from microfacial.datasets.clip_table import read_clips
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.errors import ConfigError, ProtocolError, StorageError
from microfacial.evaluation import result_files as outcomes
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.significance import compare_predictions
from microfacial.inference.bundle import CARD, EVIDENCE, PACK, Checkpoint, read_pack, write_pack
from microfacial.inference.example_input import example_for
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.pipeline.config import Config, load
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.provenance import data_version, dvc_hash, file_hash, git_tags
from microfacial.preprocessing.store import read_features
from microfacial.records import Clip, Comparison
from microfacial.registry.decisions import deciding
from microfacial.registry.model_card import CardFacts, Untouched, write_card
from microfacial.registry.promotion_rule import Evidence, score_untouched
from microfacial.registry.refit import fit_everyone, fixed_epochs
from microfacial.report.results import BASELINE
from microfacial.settings import Section
from microfacial.tracking.model_versions import ModelVersionRecord, Registry, find_training, registered_name
from microfacial.tracking.pyfunc import requirements, save_model
from microfacial.tracking.run_records import read_identity
from microfacial.tracking.store import connect

_NOTE = "of the procedure under its protocol, not of the packed model, which has seen every subject"
_LONGEST = 4900  # characters
_FILES = ("predictions.csv", "evaluation.json", "folds.csv", "settings.json")


def run_register(project: Project, model: str) -> None:
    """Pack a trained model, attach the evidence, register it, and let `challenger` point to it.

    Raises:
        ConfigError: params.yaml has no such model, or other settings than it was trained with.
        StorageError: it was not trained, or on other clips.
    """
    config = load(PARAMS)
    trained = project.results / "train" / model
    check_trained(project, config, model)
    client = connect(Path())
    registry = Registry(client, registered_name(config.clips.name, config.clips.scheme))
    with tempfile.TemporaryDirectory(dir=_scratch(project)) as scratch:
        gathered = Path(scratch)
        click.echo(f"register {model}: packing ({config.registry.pack})")
        _pack(project, config, model, gathered / "pack")
        evidence = read_built_evidence(project, config, model)
        origin = _describe_origin(project, config, model, evidence)
        card = _write_card(project, config, model, evidence, origin)
        uf1 = outcomes.read_evaluation(trained).overall.uf1
        run_id = find_training(client, config.clips.name, config.clips.scheme, model, uf1)
        _assemble(gathered, card)
        _attach(evidence, trained, origin["study"], gathered / "model" / EVIDENCE)
        what = ModelVersionRecord(
            name=registry.name,
            version=0,  # the registry numbers it
            model=model,
            settings=config.models[model].model_dump(mode="json"),
            dataset=config.clips.name,
            scheme=config.clips.scheme,
            protocol=config.train.protocol,
            tuned_on=evidence.tuned_on,
            run_id=run_id,
            origin=origin,
        )
        with deciding(Path()):
            made = registry.add(gathered / "model", what, _shorten(card), Path())
            registry.point("challenger", made.version)
    click.echo(
        f"register {model}: version {made.version} of {registry.name}, the challenger. Next: microfacial promote"
    )


def check_trained(project: Project, config: Config, model: str) -> None:
    """Make sure that what lies in results/ is what params.yaml would train.

    Raises:
        ConfigError: settings differ; the message names the first key.
        StorageError: there is nothing, or it is of other clips.
    """
    if model not in config.models:
        raise ConfigError(f"{PARAMS}: models has no {model!r}; it has {', '.join(config.models)}")
    folder = project.results / "train" / model
    if not (folder / "evaluation.json").exists():
        raise StorageError(f"{model} is not trained on {project.clips.name}. Run `dvc repro`")
    wanted = trained_with(config, model)
    for key, now, then in _differences(wanted, files.read_json(folder / "settings.json")):
        raise ConfigError(f"{PARAMS}: {key} is {now!r}, but {folder} was made with {then!r}. Run `dvc repro`")
    evaluation = outcomes.read_evaluation(folder)
    for key, now, then in (
        ("train.protocol", config.train.protocol, evaluation.protocol),
        ("train.repeats", config.train.repeats, evaluation.repeats),
        ("train.seed", config.train.seed, min(int(row["repeat"]) for row in files.read_csv(folder / "folds.csv"))),
        ("clips.scheme", SCHEMES[config.clips.scheme].classes, evaluation.classes),
    ):
        if now != then:
            raise ConfigError(f"{PARAMS}: {key} is {now!r}, but {folder} was made with {then!r}. Run `dvc repro`")
    made_of = read_identity(folder)
    for what, now, then in (
        ("clips.csv", file_hash(project.results / "clips.csv"), made_of.clips),
        ("flow", dvc_hash(project.results / "flow"), made_of.flow.digest),
        ("train", config.train.model_dump(mode="json"), made_of.settings["train"]),
    ):
        if now != then:
            raise StorageError(f"{folder} was made with another {what} than there is now. Run `dvc repro`")
    _check_clips(read_clips(project.results / "clips.csv"), folder, config.train)


def trained_with(config: Config, model: str) -> dict[str, Any]:
    """The sections that clips are read by to be shown to a model, as the `train` stage writes them."""
    faces, flow, own = (
        section.model_dump(mode="json") for section in (config.faces, config.flow, config.models[model])
    )
    return {"faces": faces, "flow": flow, "models": {model: own}}


def read_built_evidence(project: Project, config: Config, model: str) -> Evidence:
    """What the protocol gave for a model, as it lies in results/.

    Raises:
        ConfigError: the section `tuned` names somebody who is not in the data.
    """
    tuned = config.tuned.get(model)
    clips = read_clips(project.results / "clips.csv")
    strangers = sorted({*(tuned.subjects if tuned else ())} - {clip.person for clip in clips})
    if strangers:
        raise ConfigError(
            f"{PARAMS}: tuned.{model}.subjects: no clip is of {', '.join(strangers)}. Name them as clips.csv does, or "
            f"remove the entry if the settings of {model} were not tuned on this data set"
        )
    return Evidence(
        name=model,
        dataset=config.clips.name,
        scheme=config.clips.scheme,
        data=digest_data(clips),
        tuned_on=tuned.subjects if tuned else (),
        predictions=outcomes.read_predictions(project.results / "train" / model),
    )


def digest_data(clips: Sequence[Clip]) -> str:
    """What an evaluation is about: which clips, with which labels, moments and frames."""
    facts = [(clip.id, clip.label, clip.onset, clip.apex, clip.offset, clip.digest) for clip in clips]
    return files.digest([], facts)


# --- the pack ---------------------------------------------------------------------------------------------------------


def _pack(project: Project, config: Config, model: str, folder: Path) -> None:
    classes = SCHEMES[config.clips.scheme].classes
    make = {"refit": _refit, "ensemble": _read_folds}[config.registry.pack]
    write_pack(folder, trained_with(config, model), classes, make(project, config, model))


def _refit(project: Project, config: Config, model: str) -> list[Checkpoint]:
    """Fit on everybody, with what the folds chose."""
    chosen = [row["chosen"] for row in files.read_csv(project.results / "train" / model / "folds.csv")]
    settings: Section = fixed_epochs(config.models[model], chosen)
    store, clips = read_features(project.results)
    classes = SCHEMES[config.clips.scheme].classes
    samples = make_samples(MODELS[model].make_inputs(store, settings), store, clips, classes)
    return [fit_everyone(samples, model, settings, config.train.seed).checkpoint()]


def _read_folds(project: Project, config: Config, model: str) -> list[Checkpoint]:
    """The models of all folds, as they were kept.

    Raises:
        StorageError: they were not.
    """
    trained = project.results / "train" / model
    keys = [f"{row['held_out']}#{row['repeat']}" for row in files.read_csv(trained / "folds.csv")]
    paths = [trained / "checkpoints" / f"{files.as_file_name(key)}.npz" for key in keys]
    if not all(path.exists() for path in paths):
        raise StorageError(
            f"{trained} has no checkpoints of its folds, which registry.pack ensemble is made of. Set "
            "train.checkpoints: true and run `dvc repro`, or set registry.pack: refit"
        )
    return [files.read_arrays(path) for path in paths]


def _assemble(gathered: Path, card: str) -> None:
    """Make MLflow's folder of a pack, and put the card beside."""
    pack = read_pack(gathered / "pack")
    save_model(gathered / "model", gathered / "pack", pack.classes, example_for(pack))
    files.write_text(gathered / "model" / CARD, card)
    assert (gathered / "model" / PACK).is_dir(), "MLflow puts artifacts there"


def _attach(evidence: Evidence, trained: Path, study: str, folder: Path) -> None:
    """Copy what the protocol gave into a version's folder, with what it is of; `registry.read_evidence` reads it."""
    folder.mkdir()
    for name in _FILES:
        copy(trained / name, folder)
    facts = {
        "note": _NOTE,
        "model": evidence.predictions.model,
        "dataset": evidence.dataset,
        "scheme": evidence.scheme,
        "data": evidence.data,
        "tuned_on": evidence.tuned_on,
        "study": study,
        "files": {name: files.digest([folder / name]) for name in _FILES},
    }
    files.write_json(folder / "evidence.json", facts)


def _scratch(project: Project) -> Path:
    project.state.mkdir(parents=True, exist_ok=True)
    return project.state


# --- what is said of it -----------------------------------------------------------------------------------------------


def _describe_origin(project: Project, config: Config, model: str, evidence: Evidence) -> dict[str, str]:
    git, tuned = git_tags(), config.tuned.get(model)
    return {
        "pack": config.registry.pack,
        "data": evidence.data,
        "data_version": data_version(),
        "flow": dvc_hash(project.results / "flow"),
        "git_commit": git["microfacial.git_commit"],
        "git_dirty": git["microfacial.git_dirty"],
        "study": tuned.study if tuned else "",
        "trial": str(tuned.trial) if tuned and tuned.trial is not None else "",
        "package": __version__,
    }


def _write_card(project: Project, config: Config, model: str, evidence: Evidence, origin: Mapping[str, str]) -> str:
    tuned = config.tuned.get(model)
    dirty = " with changes that were not committed" if origin["git_dirty"] == "true" else ""
    facts = CardFacts(
        model=model,
        dataset=config.clips.name,
        scheme=config.clips.scheme,
        pack=config.registry.pack,
        tuned_on=evidence.tuned_on,
        study=tuned.study if tuned else None,
        untouched=_score_untouched(evidence) if tuned else None,
        versions={
            "microfacial": __version__,
            "commit": origin["git_commit"] + dirty,
            "data": f"{origin['data']} (DVC: {origin['data_version']})",
            "flow": origin["flow"],
            "packages": ", ".join(requirements()),
        },
    )
    evaluation = outcomes.read_evaluation(project.results / "train" / model)
    clips = read_clips(project.results / "clips.csv")
    return write_card(facts, evaluation, clips, _compare_with_baseline(project, config, evidence))


def _shorten(card: str) -> str:
    """The card as a description that every database takes; the file in the version is whole."""
    return card if len(card) <= _LONGEST else f"{card[:_LONGEST]}…\n\nThe whole card is `{CARD}` in the version."


def _score_untouched(evidence: Evidence) -> Untouched | None:
    found = score_untouched(evidence)
    return Untouched(uf1=found[0], subjects=found[1], clips=found[2]) if found else None


def _compare_with_baseline(project: Project, config: Config, evidence: Evidence) -> Comparison | None:
    """The paired difference to the baseline, if that was trained on the same clips."""
    folder = project.results / "train" / BASELINE
    if evidence.predictions.model == BASELINE or not (folder / "evaluation.json").exists():
        return None
    try:
        baseline = outcomes.read_predictions(folder)
        return compare_predictions(evidence.predictions, baseline, config.train.bootstrap_draws, config.train.seed)
    except (ProtocolError, StorageError) as error:
        click.echo(f"register: not compared with {BASELINE} ({error})", err=True)
        return None


def _differences(wanted: Any, found: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """Keys whose values differ between two trees, with both values."""
    if not (isinstance(wanted, Mapping) and isinstance(found, Mapping)):
        return [] if wanted == found else [(key, wanted, found)]
    names = [*wanted, *(name for name in found if name not in wanted)]
    return [
        difference
        for name in names
        for difference in _differences(wanted.get(name), found.get(name), f"{key}.{name}".lstrip("."))
    ]


def _check_clips(clips: Sequence[Clip], folder: Path, train: TrainConfig) -> None:
    labels = {clip.id: clip.label for clip in clips}
    scored = {row["clip"]: row["truth"] for row in files.read_csv(folder / "predictions.csv")}
    expected = {clip: label for clip, label in labels.items() if train.protocol != "holdout" or clip in scored}
    if scored != expected:
        raise StorageError(f"{folder} is not of the clips in clips.csv, or of other labels. Run `dvc repro`")
