"""The files of the motion prior: its weights, and a card that says how they were made and how well they do.

MotionPrior ─▶ score_on_drawn ─▶ motion_prior.safetensors, motion_prior.md
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from sklearn.metrics import roc_auc_score

from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.datasets.drawn_motion.skin import UNITS
from microfacial.errors import ConfigError, DamagedError
from microfacial.files import atomic_write, refuse_damaged, write_text
from microfacial.formats import parse_weights
from microfacial.models.prior import INPUT_PX, PRIOR_ARRAYS, MotionPrior, emotion_shares
from microfacial.training.one_thread import one_thread
from microfacial.training.pretraining import Pretraining, drawn_shares

_TEST_CLIPS = 4096
_OTHER_OUTPUT = "Choose another --output"


@dataclass(frozen=True, kw_only=True)
class DrawnScores:
    """Scores on drawn clips that were not trained on. They say nothing about real clips.

    Attributes:
        accuracy: share of clips whose emotion is recognised, 0 to 1.
        unit_auc: area under the ROC curve of each action unit, by its number.
    """

    accuracy: float
    unit_auc: dict[int, float]


@dataclass(frozen=True, kw_only=True)
class TrainedPrior:
    """A finished training of the motion prior.

    Attributes:
        path: file of the weights.
        sha256: digest of the weights.
        plan: how the prior was trained.
        device: device of torch.
        losses: loss of each batch.
        scores: scores on drawn clips that were not trained on.
    """

    path: Path
    sha256: str
    plan: Pretraining
    device: str
    losses: Sequence[float]
    scores: DrawnScores

    @property
    def card(self) -> Path:
        """File of the model card."""
        return self.path.with_suffix(".md")


def score_on_drawn(prior: MotionPrior, seed: int = 10_000) -> DrawnScores:
    """Score a prior on drawn clips.

    Args:
        prior: the prior.
        seed: seed of the clips. It must differ from the seed of the training.
    """
    with one_thread():
        generator = torch.Generator().manual_seed(seed)
        emotions = torch.multinomial(drawn_shares(), _TEST_CLIPS, replacement=True, generator=generator)
        drawn = draw_motion(emotions, generator, INPUT_PX)
        maps = drawn.flow[:, 0].numpy()
        probabilities = prior.class_probabilities(maps, emotion_shares(tuple(EMOTIONS)) * prior.arrays["prior"])
        units = prior.unit_probabilities(maps)
    truth = drawn.units[:, [UNITS.index(unit) for unit in prior.units]].numpy()
    areas = {unit: float(roc_auc_score(truth[:, i], units[:, i])) for i, unit in enumerate(prior.units)}
    return DrawnScores(accuracy=float((probabilities.argmax(1) == emotions.numpy()).mean()), unit_auc=areas)


def score_prior(prior: MotionPrior, plan: Pretraining) -> DrawnScores:
    """Score a prior on drawn clips that its training has not drawn.

    Args:
        prior: the prior.
        plan: how it was trained.
    """
    return score_on_drawn(prior, plan.seed + 10_000)


def check_output(path: Path) -> None:
    """Refuse a file of weights that does not end in .safetensors, and files that are not those of an earlier prior.

    Args:
        path: file of the weights. The card is written next to it.

    Raises:
        ConfigError: the path has another extension, or the weights or the card would replace a file of another kind.
        StorageError: an existing file cannot be read.
    """
    if path.suffix != ".safetensors":
        raise ConfigError(f"{path}: the weights are written as safetensors. Use a name that ends in .safetensors")
    for file, is_ours in ((path, _is_prior), (path.with_suffix(".md"), _is_card)):
        if file.exists() and not is_ours(file):
            raise ConfigError(f"{file} exists, and `microfacial pretrain` did not write it. {_OTHER_OUTPUT}")


def _is_prior(path: Path) -> bool:
    with refuse_damaged(path, _OTHER_OUTPUT):
        try:
            return sorted(parse_weights(path.read_bytes())) == sorted(PRIOR_ARRAYS)
        except DamagedError:
            return False


def _is_card(path: Path) -> bool:
    with refuse_damaged(path, _OTHER_OUTPUT):
        return path.read_bytes().startswith(f"{_PARAGRAPHS[0]}\n".encode())


def write_prior(
    path: Path, prior: MotionPrior, plan: Pretraining, device: str, scores: DrawnScores | None = None
) -> str:
    """Write the weights of a prior, and next to them its model card.

    Args:
        path: file of the weights, which ends in .safetensors.
        prior: the prior.
        plan: how it was trained.
        device: device that it was trained on.
        scores: its scores on drawn clips for the card. They are computed if None.

    Returns:
        SHA-256 of the weights.

    Raises:
        ConfigError: see `check_output`.
        StorageError: the disk is full, or an existing file cannot be read.
    """
    check_output(path)
    content = save({name: np.ascontiguousarray(array) for name, array in sorted(prior.arrays.items())})
    sha256 = hashlib.sha256(content).hexdigest()
    with atomic_write(path) as scratch:
        scratch.write_bytes(content)
    write_text(
        path.with_suffix(".md"),
        _describe(prior, plan, device, scores or score_prior(prior, plan), sha256, len(content)),
    )
    return sha256


def _describe(prior: MotionPrior, plan: Pretraining, device: str, scores: DrawnScores, sha256: str, size: int) -> str:
    """Return the model card."""
    settings = "\n".join(f"| {name} | {value} |" for name, value in vars(plan).items())
    areas = "\n".join(f"| {unit} | {area:.2f} |" for unit, area in scores.unit_auc.items())
    return ("\n\n".join(_PARAGRAPHS) + "\n").format(
        sha256=sha256,
        kilobytes=round(size / 1000),
        parameters=sum(array.size for name, array in prior.arrays.items() if name.endswith((".weight", ".bias"))),
        device=device,
        settings=settings,
        accuracy=scores.accuracy,
        emotions=len(EMOTIONS),
        units=len(prior.units),
        names=", ".join(EMOTIONS),
        areas=areas,
    )


_PARAGRAPHS = (
    """# Model card: motion prior""",
    """A network of {parameters} parameters ({kilobytes} kB) that reads the optical flow of a face from onset to apex.
It returns {emotions} emotions ({names}), from which the classes of every label scheme follow, and the probabilities
of {units} action units.""",
    """- Weights: SHA-256 `{sha256}`
- Command: `microfacial pretrain`, on device `{device}`
- Training data: drawn motion only (`microfacial.datasets.drawn_motion`). No face, frame or clip was used in
  training, and the weights contain no real data. The spread of the drawings was tuned on one half of the subjects of
  published flow maps of CASME II and SMIC; see docs/log.md. Scores on that half are optimistic.
- Intended use: a baseline without training data, a starting point for small data sets, a demonstration.
- Not intended, and prohibited: judging truthfulness, intent, health or employability of a person, surveillance, and
  any use without the consent of the person shown. Facial movements do not prove a feeling.
- Limits: one face, turned to the camera; one movement from onset to apex; the head's motion removed. The demo's clips
  are drawn by the same kind of code, so a score on the demo means nothing.""",
    """## Settings""",
    """| setting | value |
|---|---|
{settings}""",
    """## Scores on drawn clips""",
    """They say nothing about real clips. Accuracy over {emotions} emotions: {accuracy:.3f}. ROC areas:""",
    """| action unit | area |
|---|---|
{areas}""",
)
