"""Make the checkpoints of a bundle: fit one model on all subjects, or collect the models of the folds.

A model that is fitted on all subjects has no test clips. The scores of the protocol belong to the training procedure.

Convention: the seed is computed as for a fold, from the seed of the first repetition and the name `everyone`.
"""

import logging
import re
import zlib
from collections.abc import Sequence
from statistics import median

import numpy as np

from microfacial.errors import StorageError
from microfacial.files import as_file_name, read_arrays, read_csv
from microfacial.inference.predict import Checkpoint
from microfacial.models.inputs import make_samples
from microfacial.models.lookup import find_model
from microfacial.models.settings import OptimiserSettings
from microfacial.preprocessing.devices import find_device
from microfacial.preprocessing.store import read_features
from microfacial.records import Fitted, Samples, TrainingData
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
        StorageError: the features are missing, or the folds did not choose epochs.
        ConfigError: this machine does not have the device of the training.
    """
    chosen = [row["chosen"] for row in read_csv(source.folder / "folds.csv", ("chosen",))]
    settings = fix_epochs(source.settings, chosen)
    store, clips = read_features(source.results)
    _LOG.debug("training %s once more, on all subjects", source.model)
    inputs = find_model(source.model).make_inputs(store, settings)
    samples = make_samples(inputs, store, clips, source.classes)
    device = find_device(source.train.device, "train.device")
    return [fit_all_rows(samples, source.model, settings, source.train.seed, device).checkpoint()]


def read_fold_checkpoints(source: TrainingSource) -> list[Checkpoint]:
    """Read the models of all folds of a training.

    Args:
        source: the training.

    Returns:
        One checkpoint for each fold.

    Raises:
        StorageError: the training did not write checkpoints.
    """
    rows = read_csv(source.folder / "folds.csv", ("held_out", "repeat"))
    keys = [f"{row['held_out']}#{row['repeat']}" for row in rows]
    paths = [source.folder / "checkpoints" / f"{as_file_name(key)}.npz" for key in keys]
    if not all(path.exists() for path in paths):
        raise StorageError(
            f"{source.folder} has no checkpoints of its folds, but registry.bundle is ensemble. Set "
            "train.checkpoints: true and run `dvc repro`, or set registry.bundle: refit"
        )
    return [read_arrays(path, ["shape"]) for path in paths]


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


def _read_epochs(text: str) -> list[str]:
    if not text.startswith("epoch"):
        raise StorageError(f"folds.csv: a fold with early stopping chose {text!r} instead of epochs. Run `dvc repro`")
    return re.findall(r"\d+", text)
