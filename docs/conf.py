"""Settings of the documentation site. `make docs` builds it into docs/_build/html."""

import re
import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

from microfacial import __version__  # noqa: E402

project = "MicroFacial"
author = "The MicroFacial authors"
copyright = "The MicroFacial authors, Apache-2.0"  # noqa: A001  # Sphinx prescribes the name
release = version = __version__

extensions = [
    "myst_nb",  # Markdown, and notebooks that run
    "settings_reference",  # the reference of params.yaml, from the settings classes
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "extensions"]
source_suffix = {".md": "myst-nb"}
root_doc = "index"
nitpicky = False
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "notebooks")
nb_execution_timeout = 600  # seconds
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"  # its files are local: a page makes no request to another host
html_title = f"MicroFacial {version}"
html_theme_options = {"source_repository": "", "navigation_with_keys": True}
html_static_path = ["static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_use_index = True


def _to_rest(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Turn a docstring into reStructuredText: `code` has two backticks there, and a drawing needs a mark."""
    text = re.sub(r"(?<![`:])`([^`\n]+)`(?!`)", r"``\1``", "\n".join(lines))
    if what == "module":
        text = re.sub(r"(?<=\S\n\n)(?= {4})", "::\n\n", text)
    lines[:] = text.split("\n")


def setup(app: Sphinx) -> None:
    """Add a lexer, and the hook for docstrings, which runs before napoleon."""
    app.add_lexer("mermaid", TextLexer)  # graphs stay text: their renderer is a script from another host
    app.connect("autodoc-process-docstring", _to_rest, priority=400)
