"""Write the best settings of a study into the text of params.yaml. Comments and order do not change."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

from microfacial.errors import PipelineError
from microfacial.models.presets import resolve
from microfacial.settings import Section
from microfacial.tuning.trials import StoredStudy, Trial, choose_best, count_states

_WIDTH = 120
_YAML = "tag:yaml.org,2002:"
_TUNED_COMMENT = (
    "\nSubjects on which settings were tuned. `microfacial study apply` writes this. No stage depends on it."
)


def choose_study(studies: Sequence[StoredStudy], model: str | None, dataset: str) -> StoredStudy:
    """Return the study that was started last, if its settings can be applied.

    Args:
        studies: studies of the data set, in the order in which they were started.
        model: the model that they were filtered by, for the message.
        dataset: name of the data set, for the message.

    Returns:
        The last of the studies.

    Raises:
        PipelineError: there is no study, or the last is nested.
    """
    if not studies:
        raise PipelineError(
            f"no study of {model or 'any model'} on {dataset}. Run `microfacial study {model or 'MODEL'}`, or list all "
            "studies with `microfacial study show`"
        )
    latest = studies[-1]
    if latest.facts["mode"] == "nested":
        raise PipelineError(
            f"{latest.name} is nested: it has different settings for each group of subjects, so none can be applied. "
            f"Set study.mode: split and run `microfacial study {latest.facts['model']}`"
        )
    return latest


def choose_trial(study: StoredStudy, features: str, *, force: bool) -> Trial:
    """Return the best trial of a study, if its settings may be applied.

    Args:
        study: a split study.
        features: digest of the current features; see `preprocessing.store.features_digest`.
        force: whether to allow changed data, a study without a conclusion, and a best trial that is trial 0.

    Returns:
        The best trial. Its model is the model of the study.

    Raises:
        PipelineError: no trial is finished, the best trial has another model, or the settings may not be applied.
    """
    best, more_trials = choose_best(study.trials), "Raise study.trials and run `microfacial study {model}`"
    model = study.facts["model"]
    if best is None:
        raise PipelineError(
            f"{study.name}: no trial is complete ({count_states(study.trials)}), so nothing can be applied. Run "
            f"`microfacial study {model}`, which continues it"
        )
    if best.model != model:
        raise PipelineError(
            f"{study.name}: no trial of {model} is better than trial 0, so nothing can be applied. "
            f"{more_trials.format(model=model)}"
        )
    refusals = (
        ("it was made with other data", study.facts["data"] != features, "Run `microfacial study {model}`"),
        ("no trial is better than trial 0", best.reference, more_trials),
        ("it is not concluded", study.conclusion is None, "Run `microfacial study {model}`"),
    )
    for reason, holds, remedy in refusals:
        if holds and not force:
            raise PipelineError(f"{study.name}: {reason}. {remedy.format(model=model)}, or apply with --force")
    return best


def edit_params(text: str, study: StoredStudy, trial: Trial, settings: Section | None) -> str:
    """Return params.yaml with the settings of a trial and an entry in the section `tuned`.

    The entry names the study, the trial, and all subjects on which these or earlier settings were tuned. Comments and
    order stay as they are.

    Args:
        text: content of params.yaml.
        study: the study of the trial.
        trial: the trial whose settings are written.
        settings: the model's settings in the file; None if the file does not contain the model.

    Returns:
        The new content.
    """
    yaml = _open_yaml()
    content = yaml.load(text)
    if settings is None:
        content["models"][trial.model] = CommentedMap()
        settings = resolve(trial.model, {}, trial.model)
    current = settings.model_dump(mode="json")
    changes = {key: value for key, value in trial.settings.items() if value != current[key]}
    _extend(content["models"][trial.model], changes)
    if "tuned" not in content:
        content["tuned"] = CommentedMap()
        content.yaml_set_comment_before_after_key("tuned", before=_TUNED_COMMENT)
    subjects = CommentedSeq(sorted({*study.facts["subjects"], *study.facts.get("tuned_before", ())}))
    subjects.fa.set_flow_style()
    content["tuned"][trial.model] = CommentedMap(study=study.name, trial=trial.number, subjects=subjects)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _open_yaml() -> YAML:
    """Return a YAML editor that keeps unchanged lines, and writes values that PyYAML reads as the same values."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar(f"{_YAML}null", "null")
    )
    yaml.representer.add_representer(  # PyYAML reads 1e-05 as text, so exponents are avoided
        float,
        lambda representer, value: representer.represent_scalar(
            f"{_YAML}float", np.format_float_positional(value, trim="0")
        ),
    )
    return yaml


def _extend(mapping: CommentedMap, changes: Mapping[str, Any]) -> None:
    """Set keys of a block. Blank lines and comments between this block and the next stay in their place."""
    if not changes:
        return
    new = [key for key in changes if key not in mapping]
    gap = _take_gap(mapping) if new else ""
    mapping.fa.set_block_style()
    mapping.update(changes)
    if gap:
        mapping.ca.items[new[-1]] = [None, None, CommentToken(f"\n{gap}", CommentMark(0), None), None]


def _take_gap(mapping: CommentedMap) -> str:
    """Remove and return the lines below the last line of a mapping. The comment on the last line stays."""
    if mapping:
        token = (mapping.ca.items.get(next(reversed(mapping))) or [None] * 3)[2]
    else:
        token = (mapping.ca.comment or [None])[0]
    if token is None:
        return ""
    line, _, gap = token.value.partition("\n")
    token.value = f"{line}\n"
    return str(gap)
