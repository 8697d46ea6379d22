"""Rows of the tables that a training writes as CSV."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from microfacial.evaluation.scoring import deviation
from microfacial.evaluation.stored_results import CURVES
from microfacial.metrics import confusion, f1_by_class, recall_by_class
from microfacial.records import Evaluation, FoldResult, Samples

CURVE_COLUMNS = ("held_out", "repeat", "epoch", *CURVES)


def prediction_rows(fold: FoldResult, samples: Samples) -> Iterator[dict[str, Any]]:
    """Yield one row for each test clip of a fold.

    Args:
        fold: result of the fold.
        samples: all rows of the data set.
    """
    for row, truth, predicted, probabilities in zip(
        fold.plan.test_rows, fold.truth, fold.predicted, fold.probabilities, strict=True
    ):
        yield {
            "clip": samples.clips[row],
            "subject": samples.subjects[row],
            "repeat": fold.plan.repeat,
            "truth": samples.classes[truth],
            "predicted": samples.classes[predicted],
            **{f"p_{label}": probability for label, probability in zip(samples.classes, probabilities, strict=True)},
        }


def audit_row(fold: FoldResult, samples: Samples) -> dict[str, Any]:
    """Return the test subjects of a fold and the subjects in each of its validation folds.

    Args:
        fold: result of the fold.
        samples: all rows of the data set.
    """
    plan = fold.plan
    return {
        "held_out": plan.name,
        "repeat": plan.repeat,
        "held_out_subjects": " ".join(np.unique(samples.subjects[plan.test_rows])),
        "held_out_clips": len(plan.test_rows),
        "known_clips": len(plan.training_rows),
        "validation_folds": " | ".join(
            " ".join(np.unique(samples.subjects[plan.training_rows[plan.validation_fold == number]]))
            for number in np.unique(plan.validation_fold)
        ),
        "chosen": fold.chosen,
        "seed": plan.seed,
        **({} if fold.device == "cpu" else {"device": fold.device}),
    }


def curve_rows(fold: FoldResult) -> Iterator[dict[str, Any]]:
    """Yield one row for each epoch. A curve that the model does not have leaves its cells empty.

    Args:
        fold: result of the fold.
    """
    curves = (fold.history.training_loss, fold.history.validation_loss, fold.history.validation_uar)
    for epoch, values in enumerate(zip_longest(*curves), 1):
        yield dict(zip(CURVE_COLUMNS, (fold.plan.name, fold.plan.repeat, epoch, *values), strict=True))


def result_rows(fold: FoldResult, samples: Samples, note: str) -> Iterator[dict[str, Any]]:
    """Yield one row for each test subject of a fold.

    Args:
        fold: result of the fold.
        samples: all rows of the data set.
        note: warning about the meaning of the scores.
    """
    subjects = samples.subjects[fold.plan.test_rows]
    for subject in np.unique(subjects):
        right = (fold.predicted == fold.truth)[subjects == subject]
        yield {
            "subject": subject,
            "repeat": fold.plan.repeat,
            "clips": len(right),
            "right": int(right.sum()),
            "accuracy": right.mean(),
            "chosen": fold.chosen,
            "note": note,
        }


def class_rows(folds: Sequence[FoldResult], evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Yield the scores of each class, averaged over repetitions. Cells of a class without clips are empty.

    Args:
        folds: results of all folds and repetitions.
        evaluation: their pooled scores.
    """
    classes = evaluation.classes
    repeats = np.unique([fold.plan.repeat for fold in folds])
    by_fold = [(fold.plan.repeat, confusion(fold.truth, fold.predicted, len(classes))) for fold in folds]
    counts = np.stack([sum(cells for repeat, cells in by_fold if repeat == chosen) for chosen in repeats])
    f1, recall = f1_by_class(counts), recall_by_class(counts)  # (repeats, K) each
    for number, label in enumerate(classes):
        clips = int(counts[0, number].sum())
        yield {
            "class": label,
            "clips": clips,
            "f1": f1[:, number].mean() if clips else None,
            "f1_sd": deviation(f1[:, number]) if clips else None,
            "recall": recall[:, number].mean() if clips else None,
            "recall_sd": deviation(recall[:, number]) if clips else None,
            "note": evaluation.note,
        }


def summary_row(evaluation: Evaluation) -> dict[str, Any]:
    """Return the pooled scores.

    Args:
        evaluation: scores of one model.
    """
    return {
        "model": evaluation.model,
        "protocol": evaluation.protocol,
        "repeats": evaluation.repeats,
        "subjects": evaluation.overall.subjects,
        "clips": evaluation.overall.clips,
        "uf1": evaluation.overall.uf1,
        "uf1_sd": evaluation.uf1_sd,
        "uf1_low": evaluation.uf1_interval[0],
        "uf1_high": evaluation.uf1_interval[1],
        "uar": evaluation.overall.uar,
        "uar_sd": evaluation.uar_sd,
        "uar_low": evaluation.uar_interval[0],
        "uar_high": evaluation.uar_interval[1],
        "accuracy": evaluation.overall.accuracy,
        "ece": evaluation.ece,
        "mean_over_folds_uf1": evaluation.mean_over_folds_uf1,
        "mean_over_folds_uar": evaluation.mean_over_folds_uar,
        "mean_over_folds_accuracy": evaluation.mean_over_folds_accuracy,
        "note": evaluation.note,
    }
