"""The help: groups, width, suggestions, completion and start."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from command_line import run
from microfacial.errors import ConfigError
from microfacial.pipeline.cli import main
from microfacial.pipeline.messages import LEVEL_VARIABLE, start_logging

HEAVY = ("cv2", "dvc", "matplotlib", "mlflow", "numpy", "optuna", "pandas", "pydantic", "torch")


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_help_fits_into_80_columns_and_has_the_level_options(words: tuple[str, ...]) -> None:
    output = CliRunner().invoke(main, [*words, "--help"], prog_name="microfacial").output
    assert max(map(len, output.splitlines())) <= 80
    assert "-v, --verbose" in output
    assert "-q, --quiet" in output
    assert "..." not in output.replace("[ARGS]...", "")  # no sentence is cut


def test_the_help_lists_each_command_once_under_a_heading() -> None:
    lines = CliRunner().invoke(main, ["--help"]).output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("Set up"))
    names = [line.split()[0] for line in lines[first:] if line.startswith("  ") and line[2] != " "]
    assert sorted(names) == sorted(main.commands)
    headings = [line for line in lines[first:] if line and not line.startswith(" ")]
    assert len(headings) == 4
    assert all(heading.endswith(":") for heading in headings)


def test_the_help_imports_no_library_that_takes_long() -> None:
    code = f"import sys, microfacial.pipeline.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("tarin", "mlp"), "train"),
        (("study", "shwo"), "show"),
        (("study", "aply"), "apply"),
        (("promote", "--dryrun"), "--dry-run"),
    ],
)
def test_a_wrong_command_or_option_is_corrected(words: tuple[str, ...], meant: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert meant in result.output.partition("Did you mean")[2]


def test_a_model_with_a_name_like_a_command_can_be_studied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("models: {shows: {}}")
    (study,) = (command for name, command in main.commands.items() if name == "study")
    assert isinstance(study, click.Group)
    assert study.resolve_command(click.Context(study), ["shows"])[0] == "run"
    assert study.resolve_command(click.Context(study), ["mlp"])[0] == "run"


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        (["train"], "roi", ["roi_cnn", "roi_graph"]),
        (["study", "apply"], "h", ["hybrid"]),
        (["compare", "hybrid"], "", ["roi_cnn", "roi_graph", "hybrid"]),
        (["tr"], "", []),
        ([], "tra", ["train"]),
    ],
)
def test_the_shell_completes_commands_and_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], text: str, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("models: {roi_cnn: {}, roi_graph: {}, hybrid: {}}")
    complete = ShellComplete(main, {}, "microfacial", "_MICROFACIAL_COMPLETE")
    found = [item.value for item in complete.get_completions(words, text)]
    assert [name for name in found if name in {*main.commands, *expected}] == expected or words == ["tr"]


@pytest.mark.parametrize("content", [None, "models: [1", "models: 3", ""])
def test_nothing_is_completed_without_a_readable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("params.yaml").write_text(content)
    complete = ShellComplete(main, {}, "microfacial", "_MICROFACIAL_COMPLETE")
    assert complete.get_completions(["train"], "") == []


@pytest.mark.parametrize(
    ("words", "printed"), [(("-v", "clips"), True), (("clips", "--verbose"), True), (("clips",), False)]
)
def test_verbose_prints_each_step(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    printed: bool,
) -> None:
    monkeypatch.setenv(LEVEL_VARIABLE, "INFO")
    assert run(monkeypatch, *words) == 0
    output = capsys.readouterr()
    assert ("debug: writing results/tiny/clips.csv\n" in output.err) is printed
    assert "clips: 12 clips" in output.out


def test_an_unknown_level_of_messages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL_VARIABLE, "warn")
    with pytest.raises(ConfigError, match=r"'warn'.*WARNING"):
        start_logging()


def test_a_folder_of_a_bundle_excludes_a_version_and_an_alias() -> None:
    for option in (("--version", "3"), ("--alias", "champion")):
        answer = CliRunner().invoke(main, ["predict", "--model", "x", *option, "clip"])
        assert answer.exit_code == 2
        assert "--version" in answer.output
