"""Names that the shell completes: models of params.yaml."""

import click
from click.shell_completion import CompletionItem

from microfacial.errors import MicrofacialError
from microfacial.pipeline.project import PARAMS


class ModelName(click.types.StringParamType):
    """The name of a model. Any text is accepted here, because the command itself checks it."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the models of params.yaml that start with a text.

        Args:
            ctx: the context of the command.
            param: the argument.
            incomplete: the text so far.
        """
        return [CompletionItem(name) for name in list_model_names() if name.startswith(incomplete)]


def list_model_names() -> list[str]:
    """Return the models that params.yaml lists. Empty if there is no such file, or it cannot be read."""
    from microfacial.settings import read_sections

    try:
        models = read_sections(PARAMS).get("models")
    except MicrofacialError:
        return []
    return [str(name) for name in models] if isinstance(models, dict) else []
