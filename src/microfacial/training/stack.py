"""Several networks of one architecture whose weights lie in one matrix and which compute together.

Axes: L lanes, one network each · P parameters of one network · B rows of a batch · K classes.

Small networks leave a processor waiting for Python. L of them in one `torch.func.vmap` wait only once.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from microfacial.models.base import Explain
from microfacial.models.layers.dropout import Dropout
from microfacial.models.layers.parts import PartNetwork
from microfacial.models.settings import OptimiserSettings

ROWS_PER_PASS = 32  # rows of one lane that are predicted together


class NetworkStack:
    """Networks of one architecture.

    Args:
        network: network with the architecture. Its own weights are not used.
        weights: weights, `(L, P)`, one network per row.
        buffers: buffers by name, each `(L, …)`.
        precision: `bfloat16` for matrix products and convolutions in bfloat16; `float32` for the type of the weights.

    Attributes:
        weights: as above.
        buffers: as above.
        dropouts: names of the `Dropout` modules.
    """

    def __init__(self, network: nn.Module, weights: Tensor, buffers: Mapping[str, Tensor], precision: str) -> None:
        self.weights, self.buffers = weights, dict(buffers)
        self.dropouts = [name for name, module in network.named_modules() if isinstance(module, Dropout)]
        self._network, self._precision = network, precision

    @classmethod
    def of(cls, networks: Sequence[nn.Module], precision: str) -> "NetworkStack":
        """Stack copies of the weights and buffers of some networks.

        Args:
            networks: L networks of one architecture.
            precision: see the class.
        """
        weights = [
            torch.cat([_to_rows(value.detach()[None]) for value in network.parameters()], dim=1) for network in networks
        ]
        buffers = [
            {name: value for name, value in network.named_buffers() if not name.endswith(".key")}  # keys of dropout
            for network in networks
        ]
        stacked = {name: torch.stack([values[name] for values in buffers]) for name in buffers[0]}
        return cls(networks[0], torch.cat(weights), stacked, precision)

    @classmethod
    def from_tensors(cls, network: nn.Module, tensors: Mapping[str, Tensor], precision: str) -> "NetworkStack":
        """Rebuild a stack from its parameters and buffers.

        Args:
            network: network with the architecture of the stack.
            tensors: the parameters and buffers of the stack by name, each `(L, …)`.
            precision: see the class.
        """
        names = [name for name, _ in network.named_parameters()]
        weights = torch.cat([_to_rows(tensors[name]) for name in names], dim=1)
        buffers = {name: value for name, value in tensors.items() if name not in names}
        return cls(network, weights, buffers, precision)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The parameters by name, each `(L, …)`, as views of the matrix of weights."""
        views, start = {}, 0
        for name, value in self._network.named_parameters():
            views[name] = _from_rows(self.weights[:, start : start + value.numel()], value.shape)
            start += value.numel()
        return views

    def member(self, lane: int) -> "NetworkStack":
        """Return one of the networks as a stack of one.

        Args:
            lane: row of the network.
        """
        buffers = {name: value[lane : lane + 1] for name, value in self.buffers.items()}
        return NetworkStack(self._network, self.weights[lane : lane + 1], buffers, self._precision)

    def with_weights(self, weights: Tensor, buffers: Mapping[str, Tensor] | None = None) -> "NetworkStack":
        """Return a stack with the same architecture and other weights.

        Args:
            weights: the weights, `(L, P)`.
            buffers: buffers by name, each `(L, …)`. None keeps those of this stack.
        """
        return NetworkStack(self._network, weights, self.buffers if buffers is None else buffers, self._precision)

    def to(self, device: str | torch.device) -> "NetworkStack":
        """Return a stack with the same numbers on another device.

        Args:
            device: device of torch.
        """
        buffers = {name: value.to(device) for name, value in self.buffers.items()}
        return self.with_weights(self.weights.to(device), buffers)

    def logits(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Compute the logits of each network for its own inputs.

        Args:
            tensors: parameters and buffers by name, each `(L, …)`.
            inputs: inputs of each network, `(L, B, …)`.

        Returns:
            Logits, `(L, B, K)`.
        """

        def compute(tensors: dict[str, Tensor], inputs: Tensor) -> Tensor:
            with torch.autocast(self.weights.device.type, torch.bfloat16, enabled=self._precision == "bfloat16"):
                logits = functional_call(self._network, tensors, (inputs,), tie_weights=False)
            return logits.to(self.weights.dtype)

        if len(inputs) == 1:  # the same arithmetic without vmap, under which convolutions are slow
            single = {name: value.squeeze(0) for name, value in tensors.items()}
            return compute(single, inputs.squeeze(0)).unsqueeze(0)
        # vmap allows random numbers here. Lockstep.train_epoch refuses them with a clearer message.
        return vmap(compute, randomness="different")(dict(tensors), inputs)

    def predict(self, inputs: Tensor) -> Tensor:
        """Compute logits without dropout.

        Args:
            inputs: inputs of each network, `(L, n, …)`. At most `ROWS_PER_PASS` rows need little memory.

        Returns:
            Logits, `(L, n, K)`.
        """
        self.set_training(False)
        tensors = {**self.parameters, **self.buffers}
        with torch.no_grad():
            return self.logits(tensors, inputs)

    def explain(self, explain: Explain, inputs: Tensor) -> dict[str, Tensor]:
        """Explain the predictions of a stack of one network.

        Args:
            explain: the function of the model variant, `Network.explain`.
            inputs: inputs, `(n, …)`. At most `ROWS_PER_PASS` rows need little memory.

        Returns:
            Tensors `(n, …)` by name.
        """
        self.set_training(False)
        tensors = {f"network.{name}": value.squeeze(0) for name, value in {**self.parameters, **self.buffers}.items()}
        explained = _ExplainedNetwork(self._network, explain)
        with torch.no_grad():
            explanation: dict[str, Tensor] = functional_call(explained, tensors, (inputs,), tie_weights=False)
        return explanation

    def set_training(self, training: bool) -> None:
        """Switch dropout on or off.

        Args:
            training: true to switch it on. Each `Dropout` module then computes its mask from its random key, an integer
                `(L,)`. The caller adds these keys to the tensors of `logits`, under `<name in dropouts>.key`.
                Networks of parts return the logits of each part.
        """
        self._network.train(training)
        for module in self._network.modules():
            if isinstance(module, Dropout):
                module.keyed = training
            if isinstance(module, PartNetwork):
                module.returns_parts = training


class _ExplainedNetwork(nn.Module):
    """A network whose output is the explanation of its prediction."""

    def __init__(self, network: nn.Module, explain: Explain) -> None:
        super().__init__()
        self.network, self._explain = network, explain

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        return self._explain(self.network, x)


def flatten_gradients(gradients: Sequence[Tensor], out: Tensor) -> None:
    """Write the gradients of all parameters into one matrix, in the order of `NetworkStack.weights`.

    Args:
        gradients: gradients of L networks, in the order of `NetworkStack.parameters`, each `(L, …)`.
        out: the matrix to fill, `(L, P)`: one row per network, one column per number in its P parameters.
    """
    torch.cat([_to_rows(gradient) for gradient in gradients], dim=1, out=out)


def resolve_precision(settings: OptimiserSettings, device: str = "cpu") -> str:
    """Return the number type of matrix products.

    Args:
        settings: settings of the network.
        device: device that computes.

    Returns:
        `bfloat16` or `float32`. `precision: auto` is bfloat16 on processors and on CUDA devices that have instructions
        for it.
    """
    if settings.precision != "auto":
        return settings.precision
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device != "cpu":
        return "float32"
    capabilities = torch.cpu.get_capabilities()
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"


def _to_rows(values: Tensor) -> Tensor:
    """Reshape weights or gradients `(L, …)` to rows `(L, p)`. Matrices `(L, o, i)` are transposed.

    Torch stores gradients of linear layers in this order. Copying them in another order takes eight times as long.
    """
    return (values.mT if values.ndim == 3 else values).reshape(len(values), -1)


def _from_rows(rows: Tensor, shape: torch.Size) -> Tensor:
    """Return views `(L, *shape)` of rows `(L, p)`. This is the inverse of `_to_rows`."""
    return rows.view(-1, *shape[::-1]).mT if len(shape) == 2 else rows.view(-1, *shape)
