"""Answer a film in a worker process with the chosen model, as the command `predict` does."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from microfacial.inference.answer import answer_film
from microfacial.inference.answer_table import CSV_COLUMNS, event_rows
from microfacial.inference.answering_model import AnsweringModel, open_prior
from microfacial.inference.choose_model import open_model
from microfacial.inference.film_answer import FilmAnswer
from microfacial.inference.film_page import render_film_page
from microfacial.serving.jobs import FilmJob
from microfacial.serving.movement_pictures import draw_movement


def answer_with_model(job: FilmJob, address: str) -> dict[str, Any]:
    """Return the answer to a film as JSON values.

    Args:
        job: the film.
        address: folder of a bundle; empty for the prior in this package.

    Returns:
        The fields of `FilmAnswer.to_dict`. For the page also `csv` and `page`, the contents of both files, and
        `pictures`, those of each event.

    Raises:
        DatasetError: the film cannot be read, or its frame rate is unknown.
        StorageError: the bundle is damaged.
    """
    answer = answer_film(job.path, _open(address), fps=job.fps, pictures=job.as_page)
    answer = replace(answer, source=job.name)
    return answer.to_dict() | (_page_fields(answer) if job.as_page else {})


def _open(address: str) -> AnsweringModel:
    return open_model(address) if address else open_prior()


def _page_fields(answer: FilmAnswer) -> Mapping[str, Any]:
    table = io.StringIO()
    writer = csv.DictWriter(table, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(event_rows(answer))
    return {
        "csv": table.getvalue(),
        "page": render_film_page(answer),
        "pictures": [draw_movement(event.store) if event.store else [] for event in answer.events],
    }
