"""Where results come from: the commit, the version of the data, the code of a stage."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import yaml

from microfacial.errors import PipelineError


def git_tags() -> dict[str, str]:
    """Commit, whether the tree had changes, and what DVC says it is running, as run tags."""
    tags = {"microfacial.git_commit": _git("rev-parse", "HEAD"), "microfacial.git_dirty": str(_is_dirty()).lower()}
    stage = {
        "microfacial.dvc_stage": os.environ.get("DVC_STAGE"),
        "microfacial.dvc_exp": os.environ.get("DVC_EXP_NAME"),
    }
    return tags | {name: value for name, value in stage.items() if value}


def data_version() -> str:
    """DVC's hash of data/, or "unversioned" where no data.dvc is."""
    path = Path("data.dvc")
    return str(yaml.safe_load(path.read_text())["outs"][0]["md5"]) if path.exists() else "unversioned"


def dvc_hash(folder: Path) -> str:
    """DVC's hash of a folder of files: the MD5 of the list of their MD5s."""
    entries = [{"md5": file_hash(path), "relpath": path.name} for path in sorted(folder.iterdir())]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def file_hash(path: Path) -> str:
    """DVC's hash of a file: its MD5."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def stage_code(stage: str, model: str = "") -> list[Path]:
    """The modules that dvc.yaml says a stage's results depend on: one list serves DVC and the journals.

    Raises:
        PipelineError: dvc.yaml is missing or has no such stage.
    """
    try:
        stages = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
        dependencies = stages[stage]["deps"]
    except (FileNotFoundError, KeyError):
        raise PipelineError(f"no dvc.yaml with a stage {stage!r} here. Run from the project's root") from None
    names = (str(name).replace("${item.model}", model) for name in dependencies)
    return [Path(name) for name in names if name.endswith(".py")]


def would_commit(path: Path) -> bool:
    """Whether `path` lies in a git checkout that does not ignore it."""
    standing = next(folder for folder in path.absolute().parents if folder.is_dir())
    asked = ["git", "-C", str(standing), "check-ignore", "--quiet", str(path.absolute())]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 1  # 128 is outside of any checkout


def _is_dirty() -> bool:
    """Whether the tree has changes beside what the pipeline itself writes while it runs, stage by stage."""
    written = (":(exclude)dvc.lock", ":(exclude)results")
    return bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", *written))


def _git(*arguments: str) -> str:
    """Output of git, or "unknown" outside of a checkout."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"
