"""The trained networks of one fold, and the checkpoint that brings them back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microfacial.errors import StorageError
from microfacial.models import Network, Task
from microfacial.models.base import Explain
from microfacial.models.mirror import mirror_image
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FloatArray, History
from microfacial.training.augmentation import InputLayout
from microfacial.training.lanes import per_channel
from microfacial.training.stack import ROWS_PER_PASS, NetworkStack, resolve_precision

_TENSOR = "network."  # prefix of the names of parameters and buffers in a checkpoint


@dataclass(frozen=True, kw_only=True)
class FittedNetwork:
    """An ensemble of M networks of one fold, with the weights of their chosen epochs. It predicts their mean.

    Attributes:
        task: the task that the first network was built for.
        stack: the networks.
        scale: divisor of each channel of the inputs for each network, `(M, C)` float32.
        layout: meaning of the axes of a sample.
        test_time_flip: whether predictions average each face and its mirror image.
        chosen: the chosen epochs, as text.
        history: curves, averaged over the networks; empty after `restore_network`.
        explanation: `Network.explain` of the model variant, or None.
    """

    task: Task
    stack: NetworkStack
    scale: NDArray[np.float32]
    layout: InputLayout
    test_time_flip: bool
    chosen: str
    history: History
    explanation: Explain | None

    @property
    def device(self) -> str:
        """Device that computes: `cpu`, `cuda` or `mps`."""
        return self.stack.weights.device.type

    def to(self, device: str) -> "FittedNetwork":
        """Return the same networks on another device.

        Args:
            device: `cpu`, `cuda` or `mps`.
        """
        return replace(self, stack=self.stack.to(device))

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return the probabilities of the classes, or those of the action units if the network learned nothing else.

        Args:
            inputs: inputs of n clips, `(n, …)`.

        Returns:
            Probabilities, `(n, K)` or `(n, U)`, averaged over the networks and, with `test_time_flip`, over mirror
            images.
        """
        return np.concatenate([self._predict_pass(rows) for rows in self._split(inputs)])

    def explain(self, inputs: NDArray[np.float32]) -> dict[str, FloatArray]:
        """Return the importance of regions, windows and branches, averaged over the networks.

        Args:
            inputs: inputs of n clips, `(n, …)`. Their mirror images are not explained.

        Returns:
            Arrays `(n, …)`, named like the attributes of `Importances`. Empty if the model cannot explain.
        """
        if self.explanation is None:
            return {}
        passes = [self._explain_pass(self.explanation, rows) for rows in self._split(inputs)]
        return {name: np.concatenate([arrays[name] for arrays in passes]) for name in passes[0]}

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Return what `restore_network` needs, by name: the task, the layout, the scale of inputs, and each tensor."""
        tensors = {**self.stack.parameters, **self.stack.buffers}
        return {
            "shape": np.array(self.task.shape),
            "classes": np.array(self.task.classes),
            "co_occurrence": self.task.co_occurrence,
            "windows": np.array(self.layout.windows, dtype=np.str_),
            "mirror": np.array(self.layout.mirror, dtype=np.int64),
            "scale": self.scale,
            "chosen": np.array(self.chosen),
            **({"units": np.array(self.task.units)} if self.task.units else {}),
            **{f"{_TENSOR}{name}": value.cpu().numpy().copy() for name, value in tensors.items()},
        }

    def _predict_pass(self, image: Tensor) -> FloatArray:
        images = [image]
        if self.test_time_flip:
            images.append(mirror_image(image, self.layout.mirror, self.layout.shows))
        classes = self.task.classes - len(self.task.units)
        probabilities = [
            _as_probabilities(network.predict((image / per_channel(scale, image))[None])[0].cpu().double(), classes)
            for network, scale in self._members()
            for image in images
        ]
        return torch.stack(probabilities).mean(0).numpy()

    def _explain_pass(self, explanation: Explain, image: Tensor) -> dict[str, FloatArray]:
        members = [
            network.explain(explanation, image / per_channel(scale, image)) for network, scale in self._members()
        ]
        return {
            name: torch.stack([tensors[name] for tensors in members]).cpu().double().mean(0).numpy()
            for name in members[0]
        }

    def _split(self, inputs: NDArray[np.float32]) -> Iterator[Tensor]:
        """Yield the inputs of one pass after another on the device, so that the others need not be in memory."""
        for start in range(0, max(1, len(inputs)), ROWS_PER_PASS):
            yield self._as_tensor(inputs[start : start + ROWS_PER_PASS])

    def _members(self) -> Sequence[tuple[NetworkStack, Tensor]]:
        """Each network as a stack of one, with its scale `(C,)`."""
        return [
            (self.stack.member(row), scale) for row, scale in enumerate(torch.from_numpy(self.scale).to(self.device))
        ]

    def _as_tensor(self, inputs: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(inputs)).to(self.device)  # torch has no negative strides


def _as_probabilities(logits: Tensor, classes: int) -> Tensor:
    """Return the probabilities of the classes, `(n, K)`, or of the units if there are no classes, `(n, U)`."""
    return logits[:, :classes].softmax(1) if classes else logits.sigmoid()


def restore_network(
    variant: Network[Any], settings: OptimiserSettings, arrays: Mapping[str, NDArray[Any]]
) -> FittedNetwork:
    """Rebuild trained networks from a checkpoint. Their predictions are identical to the last bit.

    Args:
        variant: the model variant.
        settings: the settings that the networks were trained with.
        arrays: the result of `FittedNetwork.checkpoint`.

    Raises:
        StorageError: the weights belong to another architecture, for example to that of an earlier version.
    """
    task = Task(
        shape=tuple(arrays["shape"].tolist()),
        classes=int(arrays["classes"]),
        co_occurrence=arrays["co_occurrence"],
        units=tuple(arrays["units"].tolist()) if "units" in arrays else (),
    )
    names = [name for name in arrays if name.startswith(_TENSOR)]
    tensors = {name.removeprefix(_TENSOR): torch.from_numpy(arrays[name]) for name in names}
    network = variant.build(task, settings)
    missing = network.state_dict().keys() - tensors.keys()
    if missing:
        raise StorageError(
            f"the stored weights of {type(network).__name__} have no {min(missing)}: another version of "
            "microfacial wrote them. Train and register the model again"
        )
    return FittedNetwork(
        task=task,
        stack=NetworkStack.from_tensors(network, tensors, resolve_precision(settings)),
        scale=arrays["scale"],
        layout=InputLayout(
            shows=variant.shows, windows=tuple(arrays["windows"].tolist()), mirror=tuple(arrays["mirror"].tolist())
        ),
        test_time_flip=settings.test_time_flip,
        chosen=str(arrays["chosen"]),
        history=History(),
        explanation=variant.explain,
    )
