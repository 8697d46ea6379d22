import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from command_line import run
from microfacial.pipeline.cli.models import predict_command
from microfacial.pipeline.cli.stages import flow_command
from microfacial.pipeline.cli.studies import ablate_command, study_run_command


def test_the_environment_sets_the_number_of_processes(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    for stage in ("clips", "faces"):
        run(monkeypatch, stage)
    for processes, code in (("0", 2), ("1", 0)):
        monkeypatch.setenv("MICROFACIAL_PROCESSES", processes)
        assert run(monkeypatch, "flow") == code


@pytest.mark.parametrize(
    ("command", "arguments", "option"),
    [
        *(
            (predict_command, ["clip.avi", "--fps", text], "--fps")
            for text in ("nan", "inf", "1e-300", "1e300", "0", "x")
        ),
        *((predict_command, ["clip.avi", "--apex", text], "--apex") for text in ("-1", "1e3", str(2**70), "9" * 5000)),
        (predict_command, ["clip.avi", "--version", str(2**70)], "--version"),
        *((flow_command, ["--processes", text], "--processes") for text in ("0", "nan", "1000000")),
        (ablate_command, ["--repeats", str(10**12)], "--repeats"),
        (study_run_command, ["mlp", "--workers", str(10**12)], "--workers"),
    ],
)
def test_a_number_beyond_its_bounds_is_refused_by_its_option(
    command: click.Command, arguments: list[str], option: str
) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output


@pytest.mark.parametrize(
    ("words", "fault", "command"),
    [
        ("--nope", "'--nope'", "microfacial"),
        ("repor", "'repro'", "microfacial"),
        ("train", "'MODEL'", "microfacial train"),
        ("study shw", "'show'", "microfacial study"),
        ("predict", "--camera", "microfacial predict"),
        ("predict clip.avi --aliass x", "--alias", "microfacial predict"),
        ("predict clip.avi --scheme", "--scheme", "microfacial predict"),
        ("spot clip.avi --fps -3", "-3.0", "microfacial spot"),
        (f"predict clip.avi --apex {'9' * 5000}", "--apex", "microfacial predict"),
    ],
)
def test_wrong_usage_is_one_line_with_the_help_that_explains_it(
    words: str, fault: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words.split()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert fault in line
    assert len(line) < 400
    assert line.endswith(f"See `{command} --help`")


def test_a_group_without_a_command_prints_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "study") == 2
    assert "show" in capsys.readouterr().err


COMMANDS = (
    "code",
    "clips",
    "faces",
    "flow",
    "train majority",
    "report",
    "repro",
    "demo",
    "ui",
    "sync",
    "compare majority mlp",
    "ablate",
    "study run mlp",
    "study apply",
    "study show",
    "predict clip.mp4",
    "register majority",
    "promote",
    "rollback",
    "lineage",
)


@pytest.mark.parametrize("section", ["study", "models", "report", "registy"])
def test_every_command_reports_a_fault_in_any_section(
    section: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(re.sub(rf"(?m)^{section}:.*\n(  .*\n)*", "", text) + f"{section}: {{trails: 3}}\n")
    for command in COMMANDS:
        assert run(monkeypatch, *command.split()) == 2, command
        assert re.search(r"params\.yaml: .*(trails|registy)", capsys.readouterr().err), command


def test_a_stage_that_dvc_runs_checks_its_own_sections_only(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "clips")
    with Path("params.yaml").open("a") as stream:
        stream.write("study: {trails: 3}\n")
    assert run(monkeypatch, "clips") == 0


@pytest.mark.parametrize(
    "arguments",
    [("demo", "--video", "a.mp4"), ("demo", "--contact-sheet"), ("flow", "--contact-sheet")],
)
def test_a_number_of_processes_without_effect_is_refused(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments, "--processes", "2") == 2
    assert "--processes" in capsys.readouterr().err
    assert not (project / "a.mp4").exists()
