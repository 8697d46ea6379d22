"""Make a model variant of a user's own function or scikit-learn classifier."""

from torch import nn

from microfacial.api.own_classifiers import make_classifier
from microfacial.api.own_networks import make_network
from microfacial.errors import ConfigError
from microfacial.models.base import Variant


def make_variant(model: object) -> tuple[str, Variant]:
    """Make a variant of a user's own model.

    Args:
        model: a `BuildNetwork` function, or a scikit-learn classifier with `predict_proba`.

    Returns:
        A name for the model, and its variant. The settings of the variant are `OwnNetworkSettings` or `InputSettings`.

    Raises:
        ConfigError: the object is neither of them. The message says what it is.
    """
    kind = type(model).__name__
    if isinstance(model, nn.Module):
        raise ConfigError(
            f"evaluate needs a function that builds the network, because each fold starts from new weights, but got a "
            f"{kind}. Pass lambda shape, classes: {kind}(…)"
        )
    if hasattr(model, "fit") and hasattr(model, "get_params"):
        return make_classifier(model)
    if not callable(model):
        raise ConfigError(
            f"evaluate needs the name of a model, a function that builds a network, or a scikit-learn classifier, but "
            f"got a {kind}"
        )
    return make_network(model)
