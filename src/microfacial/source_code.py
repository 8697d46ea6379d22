"""Digests of the source code that a result depends on.

A stage depends on its own module and on every module of this package that it imports, directly or indirectly. A digest
covers the statements of these modules. It ignores comments, docstrings and blank lines, so that an edit of the
documentation invalidates no result. DVC and the caches of finished clips and folds use the same digests.
"""

import ast
import hashlib
import io
import itertools
import re
import tokenize
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from microfacial.plugins import DATASET_GROUP, MODEL_GROUP, find_plugin_source

PACKAGE = Path(__file__).parent

OPENCV = "opencv-python-headless"
"""Name under which this package requires OpenCV. Other builds of it install the same module."""

_OPENCV_BUILDS = (OPENCV, "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")

STAGES = ("clips", "faces", "flow", "train", "report")
"""Stages of the pipeline, in order."""

_WITHOUT_INFLUENCE = (
    *("errors", "locks", "workers", "plugins", "source_code", "tracking", "pipeline", "report.canvas"),
    "preprocessing.stage_settings",
)
"""Modules and packages that decide no result: messages, locks, processes, MLflow, the command line and checks."""

_MODEL_TABLE = "models"
"""The table of all variants. A training depends on the file of its own variant, and not on the other variants."""

_RESOURCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "models.prior": ("models/weights/motion_prior.md", "models/weights/motion_prior.safetensors"),
        "preprocessing.alignment": ("preprocessing/weights/mean_face.csv",),
        "preprocessing.face_networks": (
            "preprocessing/weights/face_detection_short_range.tflite",
            "preprocessing/weights/face_landmark.tflite",
        ),
        "report.page": ("report/page.html",),
        "report.templates": ("report/page.css", "report/page.js", "report/shared.html"),
        "report.unit_results": ("report/units.html",),
    }
)
"""Files that a module reads from the package."""


_Place = tuple[int, int]  # row from 1 on, and column in bytes
_Span = tuple[_Place, _Place]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A file of the package.

    Attributes:
        digest: digest of its statements if it is Python, else of its bytes.
        imports: modules of this package that it imports, without the prefix `microfacial.`.
    """

    digest: str
    imports: frozenset[str]


def code_manifest(stage: str, model: str = "", corpora: Collection[str] = ()) -> dict[str, str]:
    """Return the files of the package that decide the results of a stage, each with its digest.

    Args:
        stage: one of `STAGES`.
        model: name of the variant, for the stage `train` only.
        corpora: names of the corpora, for the stage `clips` only.

    Returns:
        Digests by file. Paths are relative to the package and in alphabetical order. Other packages that offer the
        model or a corpus follow, with one digest for the whole package.

    Raises:
        ConfigError: a package that offers the model or a corpus is broken.
    """
    plugins = [(MODEL_GROUP, model), *((DATASET_GROUP, corpus) for corpus in corpora)]
    sources = [source for source in itertools.starmap(find_plugin_source, plugins) if source]
    own_model = [f"models.{model}"] if model and find_plugin_source(MODEL_GROUP, model) is None else []
    modules = _imported_modules([f"pipeline.stages.{stage}", *own_model])
    paths = [_module_path(module) for module in modules]
    paths += [PACKAGE / name for module in modules for name in _RESOURCES.get(module, ())]
    manifest = {path.relative_to(PACKAGE).as_posix(): _read_source(path).digest for path in sorted(paths)}
    return manifest | {
        f"{name} {path.name}": package_digest(path) if path.is_dir() else _read_source(path).digest
        for name, path in sorted(sources)
    }


def code_digest(stage: str, model: str = "") -> str:
    """Return one digest of everything in `code_manifest`, 16 hexadecimal digits."""
    lines = "".join(f"{digest} {path}\n" for path, digest in code_manifest(stage, model).items())
    return _digest(lines.encode())


def modules_digest(modules: Collection[str]) -> str:
    """Return one digest of modules of this package, such as `tuning.trials`, and of nothing that they import."""
    digests = [_read_source(_module_path(module)).digest for module in sorted(modules)]
    return _digest(" ".join(digests).encode())


def package_digest(package: Path, exclude: Collection[str] = ()) -> str:
    """Return one digest of the statements of all Python files below a folder, wherever the folder lies.

    Args:
        package: folder of a copy of this package.
        exclude: names of subpackages at the top of the folder to leave out.
    """
    digests = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        if relative.parts[0] not in exclude:
            digests.update(f"{relative.as_posix()} {_read_source(path).digest}\n".encode())
    return digests.hexdigest()[:16]


@cache
def find_installed(name: str) -> tuple[str, str] | None:
    """Return the name and the version of an installed package, or None if it is not installed.

    The version has no local label such as `+cpu`, which names a build of the same release.

    Args:
        name: name of the package. Any build of OpenCV counts as `OPENCV`.
    """
    for build in _OPENCV_BUILDS if name == OPENCV else (name,):
        try:
            return build, metadata.version(build).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return None


def variant_modules() -> list[str]:
    """Return the names of all model variants: the modules that the table `models.MODELS` imports."""
    names = {
        module.removeprefix("models.")
        for module in _read_source(_module_path(_MODEL_TABLE)).imports
        if module.startswith("models.")
    }
    return sorted(names - {"base"})


def statements(source: str) -> str:
    """Return Python source without comments, docstrings and blank lines.

    Args:
        source: text of a module.

    Raises:
        SyntaxError: the text is not valid Python.
    """
    return _statements(source, list(ast.walk(ast.parse(source))))


def _statements(source: str, nodes: Sequence[ast.AST]) -> str:
    """Return `statements` of a module whose syntax tree has been read."""
    lines = source.splitlines()
    texts: list[_Span] = []
    for node in nodes:
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            start = (node.lineno, node.col_offset)
            texts.append((start, (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[row - 1] = ""
    for row, column in _find_comments(source, lines, texts):
        lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _find_comments(source: str, lines: Sequence[str], texts: Sequence[_Span]) -> Iterator[tuple[int, int]]:
    """Yield the row, from 1 on, and the column of each comment in the lines of a module that are not empty yet.

    A `#` outside of all texts starts a comment. Text in several lines can contain comments between its parts. Only the
    tokenizer can tell them apart, and it takes most of the time, so it reads such modules only.
    """
    for row, line in enumerate(lines, 1):
        for match in re.finditer("#", line):
            place = (row, len(line[: match.start()].encode()))
            around = [(start, end) for start, end in texts if start <= place < end]
            if not around:
                yield row, match.start()
                break
            if any(start[0] != end[0] for start, end in around):
                tokens = tokenize.generate_tokens(io.StringIO(source).readline)
                yield from (token.start for token in tokens if token.type == tokenize.COMMENT)
                return


def _imported_modules(start: Collection[str]) -> list[str]:
    """Return modules and everything that they import, without the modules that have no influence on results."""
    modules: set[str] = set()
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        if module not in modules:
            modules.add(module)
            imports = _read_source(_module_path(module)).imports
            waiting += [name for name in imports if name != _MODEL_TABLE and not _has_no_influence(name)]
    return sorted(modules)


def _has_no_influence(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in _WITHOUT_INFLUENCE)


def _imports_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "microfacial":
        base = node.module.partition(".")[2]
        for alias in node.names:
            submodule = f"{base}.{alias.name}".lstrip(".")
            if _exists(submodule):
                yield submodule
            elif base:
                yield base


@cache
def _exists(module: str) -> bool:
    path = PACKAGE / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _module_path(module: str) -> Path:
    path = PACKAGE / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _read_source(path: Path) -> _Source:
    status = path.stat()
    return _read_source_once(path, status.st_mtime_ns, status.st_size)


@cache
def _read_source_once(path: Path, modified_ns: int, size: int) -> _Source:
    """Read a file in its present state, which the other arguments identify."""
    if path.suffix != ".py":
        return _Source(digest=_digest(path.read_bytes()), imports=frozenset())
    source = path.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    imports = frozenset(name for node in nodes for name in _imports_of(node))
    return _Source(digest=_digest(_statements(source, nodes).encode()), imports=imports)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
