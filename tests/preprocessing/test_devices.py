from contextlib import nullcontext

import pytest
import torch

from microfacial.errors import ConfigError
from microfacial.preprocessing.devices import find_device

# Cuda and mps are the graphics processors that this machine seems to have.


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "device"),
    [
        (False, False, "auto", "cpu"),
        (False, True, "auto", "mps"),
        (True, False, "auto", "cuda"),
        (True, True, "auto", "cuda"),
        (True, True, "cpu", "cpu"),
        (True, True, "mps", "mps"),
        (True, False, "cuda", "cuda"),
        (False, True, "cuda", None),
        (True, False, "mps", None),
        (True, True, "cuda:1", None),
        (True, True, "gpu", None),
        (True, True, "", None),
    ],
)
def test_a_device_is_chosen_or_refused(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, name: str, device: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    refusal = pytest.raises(ConfigError, match=rf"train\.device.*{name}") if device is None else nullcontext()
    with refusal:
        assert find_device(name, "train.device") == device
