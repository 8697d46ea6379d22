"""Make a project: its files, and its git and DVC repositories."""

from pathlib import Path

from microfacial.errors import DamagedError, PipelineError
from microfacial.files import refuse_damaged, write_text
from microfacial.pipeline.extras import require_extras
from microfacial.pipeline.template_files import choose_settings, read_template, render_params, render_pipeline
from microfacial.pipeline.tools import reason, run_git, run_module

_IGNORE_FILES = {".gitignore": "gitignore", ".dvcignore": "dvcignore"}
"""Files to which lines are added if they exist, each with its template."""

_MLFLOW_LINK = "mlflow.db"  # `mlflow ui` without arguments opens it
_DVC_CONFIG = "[core]\n    analytics = false\n"


def create_project(folder: Path, corpora: tuple[str, ...]) -> list[str]:
    """Make a project in a folder. Nothing that exists is overwritten.

    A folder inside a git repository that does not ignore it becomes part of this repository. If the work was
    stopped, it can be repeated.

    Args:
        folder: a new folder, or one without these files.
        corpora: names of corpora, keys of `DATASETS`.

    Returns:
        The paths of the files, relative to the folder.

    Raises:
        PipelineError: a file exists and has another content, or git or DVC failed.
        ConfigError: the corpora cannot be combined.
        MissingExtraError: DVC is not installed.
    """
    files = {
        "params.yaml": render_params(choose_settings(corpora)),
        "dvc.yaml": render_pipeline(sources=False),
        "Makefile": read_template("Makefile"),
        "mlruns/.gitignore": read_template("mlruns-gitignore"),
    }
    require_extras("dvc")
    run_git("--version")
    _refuse_other_files(folder, files)
    for name, template in _IGNORE_FILES.items():
        files[name] = _add_lines(folder / name, read_template(template))
    for name, text in files.items():
        write_text(folder / name, text)
    (folder / "data").mkdir(exist_ok=True)
    link = folder / _MLFLOW_LINK
    if not link.is_symlink() and not link.exists():
        link.symlink_to(Path("mlruns", _MLFLOW_LINK))
    names = [*files, _MLFLOW_LINK]
    _make_repositories(folder)
    _git(folder, "add", "--", *names, ".dvc/config")
    return sorted(names)


def _refuse_other_files(folder: Path, files: dict[str, str]) -> None:
    """Refuse a folder in which a file has another content than the project's file."""
    for needed in (folder, folder / "data", folder / "mlruns"):
        if needed.exists() and not needed.is_dir():
            raise PipelineError(f"{needed} is a file, not a folder. Move it, or choose another folder")
    for name, text in files.items():
        path = folder / name
        if path.is_dir() or (path.exists() and path.read_bytes() != text.encode()):
            raise PipelineError(f"{path} exists already. It is not overwritten. Move it, or choose another folder")


def _add_lines(path: Path, text: str) -> str:
    """Return the content of a file with the lines of a text that it lacks."""
    if not path.exists():
        return text
    with refuse_damaged(path, "Move it to another place"):
        try:
            present = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise DamagedError("it is not UTF-8") from None
    missing = [line for line in text.splitlines() if line and line not in present.splitlines()]
    return "\n".join([present.rstrip("\n"), *missing, ""]) if missing else present


def _make_repositories(folder: Path) -> None:
    """Make the repositories of git and DVC, unless they exist."""
    inside = run_git("-C", str(folder), "rev-parse", "--is-inside-work-tree").returncode == 0
    ignored = inside and run_git("-C", str(folder), "check-ignore", "--quiet", ".").returncode == 0
    if not inside or ignored:
        _git(folder, "init", "--quiet")
    if not (folder / ".dvc").exists():
        subdirectory = () if (folder / ".git").exists() else ("--subdir",)
        done = run_module("dvc", "--cd", str(folder), "init", "--quiet", *subdirectory, capture_output=True)
        if done.returncode != 0:
            raise PipelineError(f"DVC cannot make a repository in {folder}: {reason(done.stderr)}. Repair it")
        write_text(folder / ".dvc" / "config", _DVC_CONFIG)


def _git(folder: Path, *arguments: str) -> None:
    done = run_git("-C", str(folder), *arguments)
    if done.returncode != 0:
        raise PipelineError(f"git {arguments[0]} failed in {folder}: {reason(done.stderr)}. Repair it and run it again")
