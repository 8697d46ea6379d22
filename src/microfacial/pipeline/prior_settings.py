"""Settings with which the motion prior answers in a project."""

from dataclasses import dataclass

from microfacial.pipeline.project import PARAMS
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.settings import read_section


@dataclass(frozen=True, kw_only=True)
class PriorSettings:
    """Settings of the motion prior in a project.

    Attributes:
        faces: how to locate the face; None for the settings in the package.
        flow: how to compute the flow; None for the settings in the package.
    """

    faces: FacesConfig | None = None
    flow: FlowConfig | None = None


def read_prior_settings() -> PriorSettings:
    """Return the settings of the project in the current folder. Settings for published maps do not apply to films.

    Raises:
        ConfigError: params.yaml does not exist, or one of its sections is wrong.
    """
    faces, flow = read_section(PARAMS, "faces", FacesConfig), read_section(PARAMS, "flow", FlowConfig)
    if faces.method == "whole" or flow.method == "published":
        return PriorSettings()
    return PriorSettings(faces=faces, flow=flow)
