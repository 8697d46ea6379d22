"""Settings that published flow maps need, and that frames must not have."""

from collections.abc import Sequence

from microfacial.errors import ConfigError
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig


def check_published_maps(corpora: Sequence[str], faces: FacesConfig, flow: FlowConfig, where: str) -> None:
    """Check that the corpora, the faces and the flow all belong to published maps, or that none of them does.

    Args:
        corpora: names of the corpora.
        faces: settings of faces.
        flow: settings of flow.
        where: start of the message.

    Raises:
        ConfigError: some of them belong to published maps and others do not.
    """
    if len({tuple(corpora) == ("flow_maps",), faces.method == "whole", flow.method == "published"}) > 1:
        raise ConfigError(
            f"{where}: clips.corpora [flow_maps], faces.method whole and flow.method published need each other. "
            "Set all three of them or none"
        )
