"""Commands `study show` and `study apply`: print the results of studies, and write the best settings to params.yaml."""

import difflib
from pathlib import Path
from typing import Any

import click

from microfacial.errors import hide_password
from microfacial.files import write_text
from microfacial.pipeline.config import load
from microfacial.pipeline.messages import print_json
from microfacial.pipeline.project import PARAMS, Project
from microfacial.preprocessing.store import features_digest
from microfacial.tuning.apply import choose_study, choose_trial, edit_params
from microfacial.tuning.description import describe_stored_study, describe_study_limits
from microfacial.tuning.optuna_storage import StudyStorage, find_studies
from microfacial.tuning.trials import Conclusion, StoredStudy, choose_best, find_conclusion, group_parts
from microfacial.yaml_parser import parse_yaml


def show_studies(model: str | None, *, as_json: bool) -> None:
    """Print the result of each study so far. The study that was started last is printed last.

    Args:
        model: print only studies of this model. None prints studies of all models.
        as_json: whether to print a JSON document.

    Raises:
        ConfigError: params.yaml is wrong.
        PipelineError: the storage of studies cannot be opened.
    """
    config = load(PARAMS)
    storage = StudyStorage(Path(), config.study)
    studies = find_studies(storage, config.clips.name, model, reading=True)
    address = hide_password(storage.url)
    if as_json:
        parts = [_as_dict(part, find_conclusion(whole)) for whole in group_parts(studies) for part in whole]
        print_json({"storage": address, "studies": parts})
        return
    grouped = group_parts(studies)
    for whole in grouped:
        click.echo("\n  ".join(describe_stored_study(whole)))
    count = f"{len(grouped)} studies" if grouped else f"no study of {model or 'any model'}"
    click.echo(f"{count} in {address}")


def _as_dict(study: StoredStudy, conclusion: Conclusion | None) -> dict[str, Any]:
    """Return the fields of a study that `study show --json` prints."""
    best = choose_best(study.trials)
    names = ("number", "state", "value", "seconds", "model", "params", "reference", "group", "reason", "retry_of")
    return {
        "name": study.name,
        "facts": study.facts,
        "note": describe_study_limits([study]),
        "best_trial": None if best is None else best.number,
        "trials": [{name: getattr(trial, name) for name in names} for trial in study.trials],
        "conclusion": conclusion,
    }


def run_study_apply(project: Project, model: str | None, *, force: bool) -> None:
    """Write the best settings of the study that was started last, and its tuning subjects, into params.yaml.

    Args:
        project: the data set.
        model: use only studies of this model. None uses studies of any model.
        force: apply the settings even if the data have changed, the study has no conclusion, or trial 0 is the best.

    Raises:
        ConfigError: params.yaml is wrong.
        PipelineError: there is no study, or its settings may not be applied.
        StorageError: a stage up to `flow` has not been run.
    """
    config = load(PARAMS)
    studies = find_studies(StudyStorage(Path(), config.study), config.clips.name, model)
    study = choose_study(studies, model, project.clips.name)
    best = choose_trial(study, features_digest(project.results), force=force)
    before = PARAMS.read_text(encoding="utf-8")
    after = edit_params(before, study, best, config.models.get(best.model))
    parse_yaml(after.encode())  # nothing is written that cannot be read again
    write_text(PARAMS, after)
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), str(PARAMS), str(PARAMS), lineterm="", n=1)
    click.echo("\n".join(changed))
    click.echo(f"trial {best.number} of {study.name} is in {PARAMS}. `dvc repro` trains only {best.model} again")
