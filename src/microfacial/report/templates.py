"""Templates, style and script of the report pages, and the environment that renders them."""

from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined


def read_page_file(name: str) -> str:
    """Return the text of a template, style sheet or script of the page.

    Args:
        name: name of the file.
    """
    return resources.files("microfacial.report").joinpath(name).read_text(encoding="utf-8")


def make_environment() -> Environment:
    """Return an environment that renders the templates of this package. A missing value is an error."""
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(read_page_file),
    )
