"""Commands `study apply` and `study show`: what studies have found, and its way into params.yaml."""

import difflib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

from microfacial.errors import PipelineError
from microfacial.files import write_text
from microfacial.models.presets import resolve
from microfacial.pipeline.commands.study import describe_study
from microfacial.pipeline.config import Config, load
from microfacial.pipeline.project import PARAMS, Project
from microfacial.preprocessing.store import features_digest
from microfacial.settings import Section
from microfacial.tuning.optuna_study import StoredStudy, StudyStorage, find_studies
from microfacial.tuning.trials import Trial, choose_best

_WIDTH = 120
_YAML = "tag:yaml.org,2002:"
_TUNED = "\nOn whom settings were tuned, as `microfacial study apply` writes it. No stage depends on this section."


def show_studies(project: Project, model: str | None) -> None:
    """Print what each study has found so far, the latest last."""
    config = load(PARAMS)
    shelf = StudyStorage(Path(), config.study)
    found = find_studies(shelf, config.clips.name, model)
    for kept in found:
        best = choose_best(kept.trials)
        if kept.conclusion:
            lines = describe_study(kept.conclusion, [kept])
        else:
            lines = [f"{kept.name}: {len(kept.trials)} trials, not ended"]
            lines += [f"best so far: trial {best.number}, UF1 {best.value or 0:.3f} on inner folds"] if best else []
        click.echo("\n  ".join(lines))
    click.echo(
        f"{len(found)} studies in {shelf.url}" if found else f"no study of {model or 'any model'} in {shelf.url}"
    )


def run_study_apply(project: Project, model: str | None, *, force: bool) -> None:
    """Write the best settings of the latest study into params.yaml, comments kept, and on whom they were tuned.

    Raises:
        PipelineError: there is no such study, or nothing in it that should be applied.
    """
    config = load(PARAMS)
    kept = _find(project, config, model)
    best = _choose(project, config, kept, force)
    before = PARAMS.read_text(encoding="utf-8")
    after = _edit(before, kept, best, config.models.get(best.model))
    write_text(PARAMS, after)
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), str(PARAMS), str(PARAMS), lineterm="", n=1)
    click.echo("\n".join(changed))
    click.echo(f"trial {best.number} of {kept.name} is in {PARAMS}; `dvc repro` re-trains {best.model} alone")


def _find(project: Project, config: Config, model: str | None) -> StoredStudy:
    """The latest study of a model, or of any.

    Raises:
        PipelineError: there is none, or it is nested.
    """
    found = find_studies(StudyStorage(Path(), config.study), config.clips.name, model)
    if not found:
        raise PipelineError(
            f"no study of {model or 'any model'} on {project.clips.name}. Run `microfacial study MODEL`"
        )
    if found[-1].facts["mode"] == "nested":
        raise PipelineError(
            f"{found[-1].name} is nested: it says what tuning is worth, and has other settings for each group. "
            "For settings to apply set study.mode: split and run `microfacial study` again"
        )
    return found[-1]


def _choose(project: Project, config: Config, kept: StoredStudy, force: bool) -> Trial:
    """The best trial, if it may be applied.

    Raises:
        PipelineError: no trial is finished, the data have changed, or no trial beat trial 0.
    """
    best = choose_best(kept.trials)
    if best is None or best.model != kept.facts["model"]:
        raise PipelineError(f"{kept.name}: no trial of {kept.facts['model']} is better than trial 0: nothing to apply")
    refusals = {
        "it was made on other data": kept.facts["data"] != features_digest(project.results),
        "no trial is better than trial 0": best.reference,
        "it is not finished": kept.conclusion is None,
    }
    for reason, holds in refusals.items():
        if holds and not force:
            raise PipelineError(f"{kept.name}: {reason}. Run `microfacial study {best.model}`, or apply with --force")
    return best


# --- the edit ---------------------------------------------------------------------------------------------------------


def _edit(text: str, kept: StoredStudy, best: Trial, settings: Section | None) -> str:
    """params.yaml with the settings of a trial, and with whom they were tuned on; comments and order stay.

    Args:
        settings: what the file gives the model so far; None if it does not name it.
    """
    yaml = _open_yaml()
    content = yaml.load(text)
    if settings is None:
        content["models"][best.model] = CommentedMap()
        settings = resolve(best.model, {}, best.model)
    so_far = settings.model_dump(mode="json")
    changes = {key: value for key, value in best.settings.items() if value != so_far[key]}
    _extend(content["models"][best.model], changes)
    if "tuned" not in content:
        content["tuned"] = CommentedMap()
        content.yaml_set_comment_before_after_key("tuned", before=_TUNED)
    subjects = CommentedSeq(sorted({*kept.facts["subjects"], *kept.facts.get("tuned_before", ())}))
    subjects.fa.set_flow_style()
    content["tuned"][best.model] = CommentedMap(study=kept.name, trial=best.number, subjects=subjects)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _open_yaml() -> YAML:
    """A round trip that leaves what it does not change, and writes what PyYAML reads as the same value."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.representer.add_representer(type(None), lambda made, _: made.represent_scalar(f"{_YAML}null", "null"))
    yaml.representer.add_representer(
        float, lambda made, value: made.represent_scalar(f"{_YAML}float", np.format_float_positional(value, trim="0"))
    )  # 1e-05 would be text to PyYAML
    return yaml


def _extend(mapping: CommentedMap, changes: Mapping[str, Any]) -> None:
    """Set keys of a block; what stands between it and the next block stays there."""
    new = [key for key in changes if key not in mapping]
    gap = _take_gap(mapping) if new else ""
    mapping.fa.set_block_style()
    mapping.update(changes)
    if gap:
        mapping.ca.items[new[-1]] = [None, None, CommentToken(f"\n{gap}", CommentMark(0), None), None]


def _take_gap(mapping: CommentedMap) -> str:
    """Remove and return the lines below a mapping's last one; its comment on that line stays."""
    if mapping:
        token = (mapping.ca.items.get(next(reversed(mapping))) or [None] * 3)[2]
    else:
        token = (mapping.ca.comment or [None])[0]
    if token is None:
        return ""
    line, _, gap = token.value.partition("\n")
    token.value = f"{line}\n"
    return str(gap)
