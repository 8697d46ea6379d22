"""Digests of code: which modules a stage depends on, and which edits change a digest."""

import ast
import io
import shutil
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path

import grimp
import pytest

from microfacial import source_code
from microfacial.models import MODELS
from microfacial.source_code import (
    PACKAGE,
    STAGES,
    code_digest,
    code_manifest,
    modules_digest,
    package_digest,
    statements,
    variant_modules,
)

WITHOUT_INFLUENCE = (
    *("errors", "locks", "models", "plugins", "report.canvas", "source_code", "workers"),
    "preprocessing.stage_settings",
)
PACKAGES_WITHOUT_INFLUENCE = ("pipeline", "tracking")


def has_influence(module: str) -> bool:
    return module not in WITHOUT_INFLUENCE and module.split(".")[0] not in PACKAGES_WITHOUT_INFLUENCE


@cache
def import_graph() -> grimp.ImportGraph:
    """Build the graph of all imports of the package once."""
    return grimp.build_graph("microfacial", cache_dir=None)


def imports_below(*start: str) -> set[str]:
    """Modules that the start modules import directly or indirectly, by grimp, an independent implementation."""
    graph = import_graph()
    modules: set[str] = set()
    waiting = {f"microfacial.{module}" for module in start}
    while waiting:
        module = waiting.pop()
        modules.add(module)
        imported = {
            name
            for name in graph.find_modules_directly_imported_by(module)
            if name != "microfacial" and has_influence(name.removeprefix("microfacial."))
        }
        if module == "microfacial.records":  # grimp ignores what a package imports from its own modules
            imported |= graph.find_children(module)
        waiting |= imported - modules
    return {module.removeprefix("microfacial.") for module in modules}


def modules_of(manifest: dict[str, str]) -> set[str]:
    paths = [Path(path) for path in manifest if path.endswith(".py")]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths}


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "train"])
def test_a_stage_depends_on_every_module_that_it_imports_and_on_no_other(stage: str) -> None:
    assert modules_of(code_manifest(stage)) == imports_below(f"pipeline.stages.{stage}")


@pytest.mark.parametrize("model", MODELS)
def test_a_training_depends_on_the_file_of_its_own_model_and_on_no_other_model(model: str) -> None:
    modules = modules_of(code_manifest("train", model))
    assert modules == imports_below("pipeline.stages.train", f"models.{model}")
    assert {f"models.{name}" for name in MODELS} & modules == {f"models.{model}"}


def test_the_heart_of_every_stage_is_among_its_code() -> None:
    assert {"datasets.frames", "datasets.label_schemes"} <= modules_of(code_manifest("clips"))
    assert {"preprocessing.landmarks", "preprocessing.regions"} <= modules_of(code_manifest("faces"))
    assert {"preprocessing.opencv_flow", "preprocessing.tvl1"} <= modules_of(code_manifest("flow"))
    assert {"training.lockstep", "evaluation.protocols", "evaluation.scoring", "models.inputs"} <= modules_of(
        code_manifest("train", "hybrid")
    )
    assert {"report.page", "evaluation.significance"} <= modules_of(code_manifest("report"))


def test_every_file_of_the_package_that_is_no_module_belongs_to_a_stage() -> None:
    resources = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name not in ("py.typed", "NOTICE")
    }
    no_stage = ("pipeline/template/", "inference/", "serving/")  # files of a new project, and pages about films
    resources -= {path for path in resources if path.startswith(no_stage)}
    models = [code_manifest("train", model) for model in variant_modules()]
    manifests = [*models, *(code_manifest(stage) for stage in STAGES)]
    covered = {path for manifest in manifests for path in manifest if not path.endswith(".py")}
    assert covered == resources


def test_every_model_has_a_digest_of_its_own() -> None:
    assert variant_modules() == sorted(MODELS)
    assert len({code_digest("train", model) for model in MODELS}) == len(MODELS)


def test_comments_docstrings_and_blank_lines_are_no_statements() -> None:
    documented = '''"""A module."""

# A comment with a "quote".
LIMIT = 3  # trailing comment: é
"""What the limit means."""


def twice(value):
    """Return twice the value.

    Over several lines.
    """
    return f"{value * 2}#"  # not a comment inside the string


class Empty:
    """Only a docstring."""
'''
    plain = """LIMIT = 3
def twice(value):
    return f"{value * 2}#"
class Empty:"""
    assert statements(documented) == plain


def test_a_number_sign_in_a_text_is_no_comment() -> None:
    commented = """A = (
    "first # text"  # comment
    "second"  # comment
)  # comment
B = '''
# text
'''  # comment
C = b"#" + b'#'  # comment with "#"
D = f"{A!r:>{3}} #" "#"  # é#
"""
    plain = """A = (
    "first # text"
    "second"
)
B = '''
# text
'''
C = b"#" + b'#'
D = f"{A!r:>{3}} #" "#\""""
    assert statements(commented) == plain
    single_lines = "".join(line for line in commented.splitlines(keepends=True) if line.startswith(("C", "D")))
    assert statements(single_lines) == "\n".join(plain.splitlines()[-2:])


def test_a_changed_statement_changes_the_text() -> None:
    assert statements("a = 1\n") != statements("a = 2\n")
    assert statements('a = "text"\n') != statements('a = "other"\n')


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_token_of_a_module_is_lost_but_comments_and_docstrings(path: Path) -> None:
    source = path.read_text()
    docstrings = {
        (node.lineno, node.col_offset)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    expected = [token.string for token in tokens(source) if token.start not in docstrings]
    assert [token.string for token in tokens(statements(source))] == expected


def tokens(source: str) -> list[tokenize.TokenInfo]:
    """Tokens with a text, without comments."""
    stream = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token for token in stream if token.string.strip() and token.type != tokenize.COMMENT]


def test_an_edited_docstring_changes_no_digest_and_an_edited_default_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "microfacial"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def digest() -> str:
        for cached in (source_code._exists, source_code._read_source_once):
            cached.cache_clear()
        return code_digest("flow")

    before = digest()
    monkeypatch.setattr(source_code, "PACKAGE", copy)
    assert digest() == before
    settings = copy / "settings.py"
    settings.write_text(settings.read_text() + '\n"""More words."""\n# and more\n')
    assert digest() == before
    settings.write_text(settings.read_text() + "\nMORE = 1\n")
    assert digest() != before
    monkeypatch.undo()
    assert digest() == before


def test_the_digest_of_a_package_does_not_depend_on_its_folder(tmp_path: Path) -> None:
    for name in ("stages", "other"):
        folder = tmp_path / name / "tracking" / "microfacial"
        (folder / "inner").mkdir(parents=True)
        (folder / "a.py").write_text("A = 1\n")
        (folder / "inner" / "b.py").write_text("B = 2\n")
    first, second = (tmp_path / name / "tracking" / "microfacial" for name in ("stages", "other"))
    assert package_digest(first) == package_digest(second)
    (second / "inner" / "b.py").write_text("B = 3\n")
    assert package_digest(first) != package_digest(second)
    assert package_digest(first, exclude=["inner"]) == package_digest(second, exclude=["inner"])


def test_the_digest_of_modules_depends_on_each_of_them() -> None:
    assert modules_digest(["errors"]) != modules_digest(["locks"])
    assert modules_digest(["errors", "locks"]) == modules_digest(["locks", "errors"])


def test_no_public_name_is_defined_in_two_modules() -> None:
    homes = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            for name in defined_names(node):
                if not name.startswith("_"):
                    homes[name].add(path.relative_to(PACKAGE).as_posix())
    assert {name: sorted(paths) for name, paths in homes.items() if len(paths) > 1} == {}


def defined_names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [node.target.id] if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else []
