"""Make the checkpoints of a bundle: fit one model on all subjects, or collect the models of the folds.

A model that is fitted on all subjects has no test clips. The scores of the protocol belong to the training procedure.

Convention: the seed is computed as for a fold, from the seed of the first repetition and the name `everyone`.
"""

import logging
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import DamagedError, StorageError
from microfacial.evaluation.fold_tables import split_by_fold
from microfacial.evaluation.result_files import read_curves
from microfacial.files import as_file_name, read_arrays, read_csv, refuse_damaged
from microfacial.formats import parse_decimal
from microfacial.inference.predict import Checkpoint, load_fold
from microfacial.models.inputs import make_samples
from microfacial.models.lookup import find_model
from microfacial.models.settings import OptimiserSettings
from microfacial.preprocessing.devices import find_device
from microfacial.preprocessing.store import read_features
from microfacial.records import Fitted, FloatArray, History, Samples, TrainingData
from microfacial.registry.training_source import TrainingSource
from microfacial.settings import Section
from microfacial.training.fit import fit
from microfacial.training.one_thread import one_thread, repeatable

_LOG = logging.getLogger(__name__)

_NAME = "everyone"


def refit(source: TrainingSource) -> list[Checkpoint]:
    """Fit the variant of a training once more, on all subjects, with the settings that the folds chose.

    Args:
        source: the training.

    Returns:
        One checkpoint.

    Raises:
        StorageError: the features are missing, or the folds did not choose epochs, or other ones than folds.csv says.
        ConfigError: this machine does not have the device of the training.
    """
    path = source.folder / "folds.csv"
    rows = read_csv(path, ("held_out", "repeat", "chosen"))
    settings = fix_epochs(source.settings, [row["chosen"] for row in rows])
    if isinstance(source.settings, OptimiserSettings) and source.settings.early_stopping:
        curves = read_curves(source.folder)
        with refuse_damaged(path):
            for row in rows:
                require_best_epochs(source.settings, row["chosen"], curves[f"{row['held_out']}#{row['repeat']}"])
    store, clips = read_features(source.results)
    _LOG.debug("training %s once more, on all subjects", source.model)
    inputs = find_model(source.model).make_inputs(store, settings)
    samples = make_samples(inputs, store, clips, source.classes)
    device = find_device(source.train.device, "train.device")
    return [fit_all_rows(samples, source.model, settings, source.train.seed, device).checkpoint()]


def read_fold_checkpoints(source: TrainingSource) -> list[Checkpoint]:
    """Read the models of all folds of a training, and check that each is the model that predicted its held-out clips.

    Args:
        source: the training.

    Returns:
        One checkpoint for each fold.

    Raises:
        StorageError: the training did not write checkpoints, or a checkpoint is damaged or belongs to another fold or
            training.
    """
    rows = read_csv(source.folder / "folds.csv", ("held_out", "repeat", "held_out_subjects", "held_out_clips"))
    keys = [f"{row['held_out']}#{row['repeat']}" for row in rows]
    paths = [source.folder / "checkpoints" / f"{as_file_name(key)}.npz" for key in keys]
    if not all(path.exists() for path in paths):
        raise StorageError(
            f"{source.folder} has no checkpoints of its folds, but registry.bundle is ensemble. Set "
            "train.checkpoints: true and run `dvc repro`, or set registry.bundle: refit"
        )
    for path, (inputs, probabilities) in zip(paths, _read_held_out(source, rows), strict=True):
        _require_predictions(path, inputs, probabilities, _tolerance(source.settings))
    return [read_arrays(path, ["shape"]) for path in paths]


def _read_held_out(
    source: TrainingSource, folds: Sequence[Mapping[str, str]]
) -> Iterator[tuple[NDArray[np.float32], FloatArray]]:
    """Yield the inputs of the held-out clips of each fold, `(n, …)`, and their probabilities in predictions.csv."""
    store, clips = read_features(source.results)
    inputs = find_model(source.model).make_inputs(store, source.settings).values
    rows_by_clip = {clip.id: row for row, clip in enumerate(clips)}
    path, columns = source.folder / "predictions.csv", [f"p_{label}" for label in source.classes]
    predictions = read_csv(path, ("clip", *columns))
    with refuse_damaged(path):
        parts = split_by_fold(predictions, folds)
        probabilities = [np.array([[parse_decimal(row[name]) for name in columns] for row in part]) for part in parts]
    for part, stored in zip(parts, probabilities, strict=True):
        yield inputs[[rows_by_clip[row["clip"]] for row in part]], stored


def _require_predictions(path: Path, inputs: NDArray[np.float32], probabilities: FloatArray, tolerance: float) -> None:
    """Raise a StorageError unless a checkpoint predicts the stored probabilities."""
    model = load_fold(path)
    with refuse_damaged(path, "Delete the folder of this training and run `dvc repro`"), one_thread():
        same_shape = model.shape == inputs.shape[1:]
        if not (same_shape and np.allclose(model.fitted[0].predict(inputs), probabilities, rtol=0, atol=tolerance)):
            raise DamagedError("it is not the model that made the predictions of its fold in predictions.csv")


def _tolerance(settings: Section) -> float:
    """Return by how much a probability may differ, because another processor or device may have trained the model."""
    exact = not isinstance(settings, OptimiserSettings) or settings.precision == "float32"
    return 1e-3 if exact else 0.05


def fit_all_rows(samples: Samples, model: str, settings: Section, seed: int, device: str = "cpu") -> Fitted:
    """Fit a variant on all rows. The same seed gives the same model on the same processor.

    An estimator still chooses its regularisation strength by cross-validation over groups of subjects, as in a fold.

    Args:
        samples: the inputs and labels of all clips.
        model: name of the variant.
        settings: settings from `fix_epochs`.
        seed: seed of the first repetition of the protocol.
        device: device that trains networks.

    Returns:
        The fitted model.
    """
    training = TrainingData(
        samples=samples,
        validation_fold=np.zeros(len(samples.labels), dtype=np.int64),
        seed=zlib.crc32(f"{seed}:{_NAME}".encode()),
    )
    with one_thread(), repeatable(device):
        (fitted,) = fit([training], model=model, settings=settings, device=device)
    return fitted


def fix_epochs(settings: Section, chosen: Sequence[str]) -> Section:
    """Replace early stopping with a fixed number of epochs: the median of the epochs that the folds chose.

    The schedule of the learning rate then ends at that epoch. In a fold, early stopping cut the schedule off instead.

    Args:
        settings: settings of the variant.
        chosen: the text in the column `chosen` of each fold, such as `epochs 12, 30`.

    Returns:
        Settings without early stopping. Settings that do not use it are returned unchanged.

    Raises:
        StorageError: a text does not name epochs.
    """
    if not isinstance(settings, OptimiserSettings) or not settings.early_stopping:
        return settings
    epochs = [int(number) for text in chosen for number in _read_epochs(text)]
    return settings.model_copy(update={"early_stopping": False, "epochs": max(1, round(median(epochs)))})


def require_best_epochs(settings: OptimiserSettings, chosen: str, history: History) -> None:
    """Check that early stopping chooses the stored epochs of a fold from its curve.

    The curve of an ensemble is a mean over its networks. It shows only how long the last one of them trained.

    Args:
        settings: settings of the variant, with early stopping.
        chosen: the text in the column `chosen` of the fold, such as `epochs 12, 30`.
        history: curves of the fold, rounded to six digits.

    Raises:
        DamagedError: it chooses other epochs.
        StorageError: the text does not name epochs.
    """
    epochs, losses = [int(number) for number in _read_epochs(chosen)], history.validation_loss
    if len(epochs) != settings.ensemble_size or not 1 <= min(epochs) <= max(epochs) <= settings.epochs:
        raise DamagedError(
            f"a fold chose {chosen!r}, but it trained {settings.ensemble_size} networks for at most {settings.epochs} "
            "epochs"
        )
    length = min(settings.epochs, max(epochs) + settings.patience)
    if len(losses) != length:
        raise DamagedError(
            f"a fold chose {chosen!r}, which ends its training after {length} epochs, but history.csv has {len(losses)}"
        )
    if len(epochs) == 1 and losses[epochs[0] - 1] > min(losses):
        raise DamagedError(
            f"a fold chose {chosen!r}, but its validation loss is lowest in epoch {losses.index(min(losses)) + 1}"
        )


def _read_epochs(text: str) -> list[str]:
    if not text.startswith("epoch"):
        raise StorageError(f"folds.csv: a fold with early stopping chose {text!r} instead of epochs. Run `dvc repro`")
    return re.findall(r"\d+", text)
