"""The tables of a result."""

import numpy as np
import pandas as pd

from microfacial.metrics import confusion, f1_by_class, recall_by_class
from microfacial.records import Evaluation, Predictions


def clip_rows(predictions: Predictions, first_repeat: int) -> pd.DataFrame:
    """Return one row per clip and repetition: true and predicted class, and all probabilities.

    Args:
        predictions: predictions of one model.
        first_repeat: number of the first repetition.
    """
    classes = np.array(predictions.classes)
    tables = []
    for repeat, (predicted, probabilities) in enumerate(
        zip(predictions.predicted, predictions.probabilities, strict=True), first_repeat
    ):
        columns = {
            "clip": predictions.clips,
            "subject": predictions.subjects,
            "repeat": repeat,
            "truth": classes[predictions.truth],
            "predicted": classes[predicted],
            **{f"p_{label}": probabilities[:, index] for index, label in enumerate(classes)},
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def subject_rows(predictions: Predictions) -> pd.DataFrame:
    """Return one row per test subject: number of clips, and accuracy over all repetitions.

    Args:
        predictions: predictions of one model.
    """
    right = (predictions.predicted == predictions.truth).mean(axis=0)  # (n,)
    table = pd.DataFrame({"subject": predictions.subjects, "right": right})
    grouped = table.groupby("subject", sort=True)["right"]
    return pd.DataFrame({"clips": grouped.size(), "accuracy": grouped.mean()}).reset_index()


def class_frame(predictions: Predictions) -> pd.DataFrame:
    """Return precision, recall and F1 of each class: means over repetitions, like the scores.

    F1 and recall of a class without test clips are NaN.

    Args:
        predictions: predictions of one model.
    """
    classes = predictions.classes
    counts = np.stack([confusion(predictions.truth, predicted, len(classes)) for predicted in predictions.predicted])
    hits = np.diagonal(counts, axis1=1, axis2=2)  # (repeats, K)
    return pd.DataFrame(
        {
            "class": list(classes),
            "clips": counts[0].sum(axis=1),
            "f1": f1_by_class(counts).mean(axis=0),
            "recall": recall_by_class(counts).mean(axis=0),
            "precision": (hits / np.maximum(counts.sum(axis=1), 1)).mean(axis=0),
        }
    )


def score_rows(evaluation: Evaluation) -> pd.DataFrame:
    """Return the scores of all clips, and those of each corpus if there are several. Only all clips have intervals.

    Args:
        evaluation: scores of one model.
    """
    parts = {"all": evaluation.overall, **(evaluation.corpora if len(evaluation.corpora) > 1 else {})}
    rows = []
    for name, score in parts.items():
        (uf1_low, uf1_high), (uar_low, uar_high) = (
            (evaluation.uf1_interval, evaluation.uar_interval) if name == "all" else ((np.nan, np.nan),) * 2
        )
        rows.append(
            {
                "clips of": name,
                "clips": score.clips,
                "subjects": score.subjects,
                "uf1": score.uf1,
                "uf1_low": uf1_low,
                "uf1_high": uf1_high,
                "uar": score.uar,
                "uar_low": uar_low,
                "uar_high": uar_high,
                "accuracy": score.accuracy,
            }
        )
    return pd.DataFrame(rows).assign(**({"note": evaluation.note} if evaluation.note else {}))
