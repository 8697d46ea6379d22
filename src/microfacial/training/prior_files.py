"""The files of the motion prior: its weights, and a card that says how they were made and how well they do.

MotionPrior ─▶ score_on_drawn ─▶ motion_prior.safetensors, motion_prior.md
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from sklearn.metrics import roc_auc_score

from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.datasets.drawn_motion.skin import UNITS
from microfacial.errors import ConfigError
from microfacial.files import atomic_write, write_text
from microfacial.models.prior import INPUT_PX, MotionPrior, emotion_shares
from microfacial.training.one_thread import one_thread
from microfacial.training.pretraining import Pretraining, drawn_shares

_TEST_CLIPS = 4096


@dataclass(frozen=True, kw_only=True)
class DrawnScores:
    """Scores on drawn clips that were not trained on. They say nothing about real clips.

    Attributes:
        accuracy: share of clips whose emotion is recognised, 0 to 1.
        unit_auc: area under the ROC curve of each action unit, by its number.
    """

    accuracy: float
    unit_auc: dict[int, float]


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


def check_output(path: Path) -> None:
    """Refuse a file of weights that does not end in .safetensors.

    Args:
        path: file of the weights.

    Raises:
        ConfigError: the path has another extension.
    """
    if path.suffix != ".safetensors":
        raise ConfigError(f"{path}: the weights are written as safetensors. Use a name that ends in .safetensors")


def write_prior(path: Path, prior: MotionPrior, plan: Pretraining, device: str) -> str:
    """Write the weights of a prior, and next to them its model card.

    Args:
        path: file of the weights, which ends in .safetensors.
        prior: the prior.
        plan: how it was trained.
        device: device that it was trained on.

    Returns:
        SHA-256 of the weights.

    Raises:
        ConfigError: the path has another extension.
        StorageError: the disk is full.
    """
    check_output(path)
    content = save({name: np.ascontiguousarray(array) for name, array in sorted(prior.arrays.items())})
    sha256 = hashlib.sha256(content).hexdigest()
    with atomic_write(path) as scratch:
        scratch.write_bytes(content)
    write_text(path.with_suffix(".md"), _describe(prior, plan, device, sha256, len(content)))
    return sha256


def _describe(prior: MotionPrior, plan: Pretraining, device: str, sha256: str, size: int) -> str:
    """Return the model card."""
    scores = score_on_drawn(prior, plan.seed + 10_000)
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
