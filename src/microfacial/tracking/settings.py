"""The `tracking` section of params.yaml. This module does not import MLflow, which takes seconds."""

from pathlib import Path

from pydantic import Field

from microfacial.settings import Section, read_optional_section


class TrackingConfig(Section):
    """The section `tracking` of params.yaml: what MLflow gets besides the results."""

    system_metrics: bool = False  # also log the load of this machine: processor, memory, disk, network, GPU
    system_metrics_seconds: float = Field(10.0, ge=1, le=3600)  # time between two measurements of the load


def read_tracking_config(root: Path) -> TrackingConfig:
    """Return the section `tracking` of a project, or its defaults if there is no params.yaml or no section.

    Args:
        root: root folder of the project.

    Raises:
        ConfigError: params.yaml cannot be read, or a key, type or bound is wrong.
    """
    return read_optional_section(root / "params.yaml", "tracking", TrackingConfig)
