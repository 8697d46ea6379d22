"""Devices of PyTorch: the processor `cpu`, or a graphics processor of this machine, `cuda` or `mps`."""

import torch

from microfacial.errors import ConfigError, suggest

_PREFERENCE = ("cuda", "mps", "cpu")


def find_device(name: str, where: str) -> str:
    """Return the device to compute on.

    Args:
        name: a `records.DeviceName`.
        where: place of the setting, for messages.

    Returns:
        `cpu`, `cuda` or `mps`.

    Raises:
        ConfigError: there is no such device, or PyTorch does not find it on this machine.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device in _PREFERENCE if present[device])
    if name not in present:
        options = ("auto", *present)
        raise ConfigError(
            f"{where}: {name!r} is not a device. Choose from {', '.join(options)}{suggest(name, options)}"
        )
    if not present[name]:
        raise ConfigError(f"{where}: PyTorch does not find the device {name} on this machine. Set it to auto or cpu")
    return name


def device_memory(device: str) -> int:
    """Return the memory of a graphics processor in bytes. It does not depend on other programs.

    Args:
        device: `cuda` or `mps`.
    """
    if device == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    return torch.mps.recommended_max_memory()


def describe_device(device: str) -> str:
    """Return the name of the hardware, on which the last bits of results depend.

    Args:
        device: `cpu`, `cuda` or `mps`.
    """
    return torch.cuda.get_device_name(0) if device == "cuda" else device
