"""Train the motion prior on drawn motion.

    emotions ─▶ draw_motion ─▶ one scale per channel, 14×14 ─▶ network ─▶ losses of emotions and units

Each batch is drawn once and used once, so the network cannot overfit single clips. No real data is used.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits, cross_entropy

from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.datasets.drawn_motion.skin import UNITS
from microfacial.models.inputs import PORTRAIT, face_area
from microfacial.models.prior import GREATEST, GRID_PX, INPUT_PX, SMALLEST, MotionPrior
from microfacial.preprocessing.devices import find_device
from microfacial.training.one_thread import one_thread, repeatable

SHOWN_UNITS = tuple(unit for unit in UNITS if any(unit in emotion.units for emotion in EMOTIONS.values()))
"""Numbers of the action units whose probabilities the prior returns: those that show an emotion."""

_MASKED = 0.3  # share of clips without the pixels outside the face, as on the aligned square

# Share of each emotion among the drawn clips. Surprise and happiness are classes of their own in every scheme; the
# others share a class in many schemes.
_SHARES = {
    "happiness": 0.24,
    "disgust": 0.11,
    "anger": 0.08,
    "contempt": 0.05,
    "fear": 0.04,
    "sadness": 0.06,
    "repression": 0.11,
    "surprise": 0.24,
    "others": 0.07,
}


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How the prior is trained.

    Attributes:
        steps: number of batches.
        batch: clips per batch.
        hidden: units of each hidden layer.
        learning_rate: highest learning rate of the cycle.
        weight_decay: weight decay of AdamW.
        unit_weight: weight of the loss of the units, relative to that of the emotions.
        seed: seed of all randomness.
    """

    steps: int = 400
    batch: int = 768
    hidden: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    unit_weight: float = 2.0
    seed: int = 0


def pretrain(plan: Pretraining, device: str = "cpu", watch: Callable[[int, float], None] | None = None) -> MotionPrior:
    """Train a motion prior. The same plan gives the same weights on the same device.

    Args:
        plan: how the prior is trained.
        device: `auto`, `cpu`, `cuda` or `mps`; see `find_device`.
        watch: function that receives the number of finished steps and the loss of the last one.

    Returns:
        The trained prior.

    Raises:
        ConfigError: this machine does not have the device.
    """
    device = find_device(device, "device")
    with one_thread(), repeatable(device), torch.random.fork_rng(devices=[]):
        generator = torch.Generator(device).manual_seed(plan.seed)
        torch.manual_seed(plan.seed)
        network = _PriorNetwork(plan.hidden).to(device)
        optimiser = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=max(2, plan.steps))
        for step in range(plan.steps):
            emotions, units, inputs = _draw_batch(plan.batch, generator)
            scores = network(inputs)
            loss = cross_entropy(scores[:, : len(EMOTIONS)], emotions)
            loss = loss + plan.unit_weight * binary_cross_entropy_with_logits(scores[:, len(EMOTIONS) :], units)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            cycle.step()
            if watch is not None:
                watch(step + 1, float(loss.detach()))
    return network.as_prior()


class _PriorNetwork(nn.Module):
    """The network of `MotionPrior` in torch."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * GRID_PX**2, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.heads = nn.Linear(hidden, len(EMOTIONS) + len(SHOWN_UNITS))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of emotions and units, `(n, E + U)`, for features `(n, 2, 14, 14)`."""
        scores: Tensor = self.heads(self.second(self.first(x.flatten(1)).relu()).relu())
        return scores

    def as_prior(self) -> MotionPrior:
        """Return the weights as arrays."""
        weights = {name: value.detach().cpu().numpy() for name, value in self.named_parameters()}
        facts = {"units": np.array(SHOWN_UNITS, dtype=np.int64), "prior": drawn_shares().numpy()}
        return MotionPrior(arrays={**weights, **facts})


def drawn_shares() -> Tensor:
    """Return the share of each emotion among the drawn clips, `(E,)`."""
    return torch.tensor([_SHARES[name] for name in EMOTIONS])


def _draw_batch(clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw emotions `(n,)`, units `(n, U)` float32, and features of the motion `(n, 2, 14, 14)`."""
    device = generator.device
    emotions = torch.multinomial(drawn_shares().to(device), clips, replacement=True, generator=generator)
    drawn = draw_motion(emotions, generator, INPUT_PX)
    inside = torch.from_numpy(portrait_area()).to(device)
    masked = torch.rand(clips, 1, 1, 1, generator=generator, device=device) < _MASKED
    motion = torch.where(masked, drawn.flow[:, 0] * inside, drawn.flow[:, 0])
    shown = [UNITS.index(unit) for unit in SHOWN_UNITS]
    return emotions, drawn.units[:, shown].float(), torch_features(motion)


def torch_features(motion: Tensor) -> Tensor:
    """Return the features of `models.prior.prior_features`, computed by torch.

    Args:
        motion: `(n, 2, s, s)`, where s is a multiple of the side of the network's grid.

    Returns:
        `(n, 2, 14, 14)`.
    """
    small = adaptive_avg_pool2d(motion, GRID_PX)
    middle = small.flatten(2).quantile(0.5, dim=2)[..., None, None]
    small = small - middle
    size = small.abs().mean((2, 3), keepdim=True)
    return (small / size.clamp(min=SMALLEST)).clamp(-GREATEST, GREATEST)


def portrait_area() -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return the part of the drawn frame that shows the face on the aligned square, `(INPUT_PX, INPUT_PX)` bool."""
    top, left, bottom, right = (round(share * 10 * INPUT_PX) for share in PORTRAIT)
    area = face_area(10 * INPUT_PX)[top:bottom, left:right]
    rows, columns = ((np.arange(INPUT_PX) + 0.5) / INPUT_PX * side for side in area.shape)
    return area[np.ix_(rows.astype(int), columns.astype(int))]
