"""Answer the clips of a request to a registered version, as the command `predict` does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from microfacial.errors import StorageError
from microfacial.files import refuse_damaged
from microfacial.inference.answer import answer_clip, answer_film, has_known_moments
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.choose_model import open_bundle
from microfacial.inference.film_answer import Event, FilmAnswer
from microfacial.inference.film_jobs import FilmJob
from microfacial.training.one_thread import one_thread
from microfacial.yaml_parser import parse_yaml

_REGISTERED = "registered_model_meta"  # MLflow writes it when it fetches a registered version


def open_served_version(folder: Path) -> AnsweringModel:
    """Open a version that MLflow has fetched. Outputs name the version, and no folder of this machine.

    Args:
        folder: folder of the version.

    Raises:
        StorageError: a file of the version is missing or damaged.
        ConfigError: another version of microfacial wrote its settings.
    """
    return open_bundle(folder, _name_version(folder))


def answer_served_clip(job: FilmJob, model: AnsweringModel) -> list[dict[str, Any]]:
    """Return the answer to a clip.

    Args:
        job: the clip. If it has moments, it is recognised at these. Otherwise its movements are spotted.
        model: the model.

    Returns:
        One row with `label`, `probabilities` and `reason` of the strongest recognised movement, and `answer`, the
        fields of `FilmAnswer.to_dict`. Without such a movement, the label is None, and `reason` says why.

    Raises:
        DatasetError: the clip cannot be read.
        StorageError: the predictions are no probabilities.
    """
    if has_known_moments(model, job.moments):
        moments = (job.moments.get(name) for name in ("onset", "apex", "offset"))
        answer = answer_clip(job.path, model, *moments, fps=job.fps)
    else:
        answer = answer_film(job.path, model, fps=job.fps)
    event = find_strongest_event(answer)
    label, probabilities = (event.label, event.probabilities) if event else (None, {})
    return [
        {
            "label": label,
            "probabilities": dict(probabilities),
            "reason": event.abstained if event else answer.reason,
            "answer": replace(answer, source=job.name).to_dict(),
        }
    ]


def answer_in_worker(job: FilmJob, folder: Path) -> list[dict[str, Any]]:
    """Return the answer to a clip in a worker process of a server.

    Args:
        job: the clip.
        folder: folder of the version.
    """
    with one_thread():  # the other cores answer other clips
        return answer_served_clip(job, open_served_version(folder))


def find_strongest_event(answer: FilmAnswer) -> Event | None:
    """Return the movement that represents a film: the recognised one with the highest score.

    Args:
        answer: the answer.

    Returns:
        The first of those with equal scores. If none was recognised, the strongest movement. None without movements.
    """
    events = [event for event in answer.events if event.label is not None] or answer.events
    return max(events, key=lambda event: event.score or 0.0, default=None)


def _name_version(folder: Path) -> str:
    """Return the name and number of a registered version, or the name of the folder of another one."""
    path = folder / _REGISTERED
    if not path.exists():
        return f"bundle {folder.name}"
    with refuse_damaged(path, "Fetch the version again"):
        content = parse_yaml(path.read_bytes())
    try:
        return f"{content['model_name']}, version {content['model_version']}"
    except (KeyError, TypeError):
        raise StorageError(f"{path} names no version. Fetch the version again") from None
