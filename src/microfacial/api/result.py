"""The result of an evaluation: it prints, converts to tables, draws itself, and compares itself with another."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from microfacial.api.result_tables import class_frame, clip_rows, score_rows, subject_rows
from microfacial.errors import ConfigError, StorageError
from microfacial.evaluation.comparison import describe_comparison
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.significance import compare_predictions
from microfacial.files import as_path, write_text
from microfacial.records import PROTOCOL_NAMES, Comparison, Evaluation, FoldResult, Predictions
from microfacial.settings import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, repr=False)
class ComparedResults:
    """The paired difference of two results on the same clips. It prints the difference and what it shows.

    Attributes:
        comparison: differences, intervals and McNemar's test.
        evaluations: scores of the model and of the baseline.
    """

    comparison: Comparison
    evaluations: tuple[Evaluation, Evaluation]

    def __repr__(self) -> str:
        return "\n".join(describe_comparison(self.evaluations, self.comparison))


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """Scores and predictions of one model. It prints a summary.

    Attributes:
        evaluation: scores and their intervals.
        predictions: predictions of all test clips.
        folds: results of all folds, sorted by repetition and name.
        protocol: the protocol.
        settings: settings of the model.
    """

    evaluation: Evaluation
    predictions: Predictions
    folds: tuple[FoldResult, ...]
    protocol: TrainConfig
    settings: Section

    def __repr__(self) -> str:
        return "\n".join(_describe(self.evaluation, self.to_frame("classes")))

    def compare(self, baseline: "Result") -> ComparedResults:
        """Compare this result with a baseline, clip by clip.

        Args:
            baseline: result of another model on the same clips, with the same protocol.

        Returns:
            The difference, this result minus the baseline, with its interval over subjects.

        Raises:
            ConfigError: the baseline is not a result.
            ProtocolError: the two have different protocols, clips, labels or classes.

        Example:
            >>> print(result.compare(mf.evaluate("linear_svm", features)))
        """
        if not isinstance(baseline, Result):
            raise ConfigError(f"compare needs the result of evaluate, not {type(baseline).__name__}")
        draws, seed = self.protocol.bootstrap_draws, self.protocol.seed
        return ComparedResults(
            comparison=compare_predictions(self.predictions, baseline.predictions, draws, seed),
            evaluations=(self.evaluation, baseline.evaluation),
        )

    def to_frame(self, rows: str = "clips") -> pd.DataFrame:
        """Return a table.

        Args:
            rows: `clips`: one row per clip and repetition, with its true and predicted class and all probabilities.
                `subjects`: number of clips and accuracy of each test subject. `classes`: F1, recall and precision of
                each class. `scores`: scores of all clips and of each corpus, with intervals for all clips.

        Returns:
            The table.

        Raises:
            ConfigError: there are no such rows.

        Example:
            >>> result.to_frame("subjects").sort_values("accuracy")
        """
        return _choose(_TABLES, rows, "to_frame: rows")(self)

    def to_csv(self, path: str | Path, rows: str = "clips") -> None:
        """Write a table as CSV.

        Args:
            path: file to write. An existing file is replaced.
            rows: see `to_frame`.

        Raises:
            ConfigError: there are no such rows, or the path is no path.
            StorageError: the file cannot be written.
        """
        file, text = as_path(path, "to_csv: path"), self.to_frame(rows).to_csv(index=False)
        if file.is_dir():
            raise StorageError(f"{file} is a folder. Give a file in it, such as {file / 'result.csv'}")
        try:
            write_text(file, text)
        except OSError as error:
            raise StorageError(f"{file} cannot be written ({error.strerror or error}). Give another place") from None

    def to_latex(self, rows: str = "scores") -> str:
        """Return a table in LaTeX. It needs the package `booktabs`. The caption names the model and the protocol.

        Args:
            rows: see `to_frame`.

        Returns:
            A `table` environment.

        Raises:
            ConfigError: there are no such rows.
        """
        table = self.to_frame(rows).map(_escape).rename(columns=_escape)
        caption = _escape(". ".join(filter(None, (_headline(self.evaluation), self.evaluation.note))))
        return table.to_latex(index=False, float_format="%.3f", na_rep="", escape=False, caption=str(caption))

    def plot(self, kind: str = "confusion") -> "Figure":
        """Draw the result.

        Args:
            kind: `confusion`, `subjects` (accuracy per subject), `calibration`, or `curves` (loss per epoch).

        Returns:
            A figure of matplotlib. A notebook shows it, and `savefig` writes it.

        Raises:
            ConfigError: there is no such drawing, or the model has no epochs and so no curves.

        Example:
            >>> result.plot("subjects").savefig("subjects.pdf")
        """
        return _choose(_DRAWINGS, kind, "plot: kind")(self)


def _choose(choices: Mapping[str, Callable[[Result], Any]], name: object, where: str) -> Callable[[Result], Any]:
    if not isinstance(name, str) or name not in choices:
        raise ConfigError(f"{where} {name!r} does not exist. Choose from {', '.join(choices)}")
    return choices[name]


# --- text -------------------------------------------------------------------------------------------------------------


def _headline(evaluation: Evaluation) -> str:
    repeats = f", {evaluation.repeats} repetitions" if evaluation.repeats > 1 else ""
    return (
        f"{evaluation.model}: {PROTOCOL_NAMES[evaluation.protocol]}, {evaluation.overall.clips} clips of "
        f"{evaluation.overall.subjects} subjects{repeats}"
    )


def _describe(evaluation: Evaluation, classes: pd.DataFrame) -> Iterator[str]:
    yield _headline(evaluation)
    for name, score, (low, high), deviation in (
        ("UF1", evaluation.overall.uf1, evaluation.uf1_interval, evaluation.uf1_sd),
        ("UAR", evaluation.overall.uar, evaluation.uar_interval, evaluation.uar_sd),
    ):
        spread = f", standard deviation {deviation:.3f} over repetitions" if evaluation.repeats > 1 else ""
        yield f"{name} {score:.3f}, 95 % interval {low:.3f} to {high:.3f}{spread}"
    yield f"accuracy {evaluation.overall.accuracy:.3f}, calibration error {evaluation.ece:.3f}"
    yield classes.to_string(index=False, float_format="{:.3f}".format)
    if evaluation.note:
        yield evaluation.note


def _escape(value: object) -> object:
    """Return a text with LaTeX's special characters escaped. Other values are not changed."""
    commands = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special: dict[str, str | int | None] = {**commands, **{character: f"\\{character}" for character in "&%$#_{}"}}
    return value.translate(str.maketrans(special)) if isinstance(value, str) else value


_TABLES: Mapping[str, Callable[[Result], pd.DataFrame]] = MappingProxyType(
    {
        "clips": lambda result: clip_rows(result.predictions, result.protocol.seed),
        "subjects": lambda result: subject_rows(result.predictions),
        "classes": lambda result: class_frame(result.predictions),
        "scores": lambda result: score_rows(result.evaluation),
    }
)


# --- drawings ---------------------------------------------------------------------------------------------------------


def _confusion_figure(result: Result) -> "Figure":
    from microfacial.report.figures import draw_confusion

    return draw_confusion(result.evaluation)


def _subjects_figure(result: Result) -> "Figure":
    from microfacial.report.figures import draw_subjects

    return draw_subjects(result.predictions)


def _calibration_figure(result: Result) -> "Figure":
    from microfacial.report.figures import draw_reliability

    return draw_reliability(result.predictions)


def _curves_figure(result: Result) -> "Figure":
    from microfacial.report.figures import draw_curves

    curves = {fold.plan.key: fold.history for fold in result.folds}
    if not any(history.training_loss for history in curves.values()):
        raise ConfigError(f"{result.evaluation.model} has no epochs, so it has no curves. Choose another kind")
    return draw_curves(result.evaluation.model, curves)


_DRAWINGS: Mapping[str, Callable[[Result], "Figure"]] = MappingProxyType(
    {
        "confusion": _confusion_figure,
        "subjects": _subjects_figure,
        "calibration": _calibration_figure,
        "curves": _curves_figure,
    }
)
