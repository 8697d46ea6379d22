"""The command line. Run it in the root folder of a project.

Each command imports its modules when it runs, because torch and MLflow take seconds to import and most commands need
neither.
"""

import gc
import io
import os
import sys
import tempfile
import textwrap
from pathlib import Path

import click

from microfacial import __version__
from microfacial.errors import MicrofacialError
from microfacial.pipeline.cli import models, projects, servers, stages, studies
from microfacial.pipeline.cli.groups import GroupedCommands
from microfacial.pipeline.cli.options import USER_ERROR
from microfacial.pipeline.extras import explain_missing_extras
from microfacial.pipeline.messages import announce_waits, guard_output, start_logging

_GROUPS = {
    "Set up and run a project": (
        projects.init_command,
        projects.demo_command,
        projects.doctor_command,
        projects.repro_command,
        projects.ui_command,
        projects.sync_command,
    ),
    "Stages, which `repro` runs through DVC": (
        stages.code_command,
        stages.clips_command,
        stages.faces_command,
        stages.flow_command,
        stages.train_command,
        stages.report_command,
    ),
    "Compare models and search settings": (
        studies.compare_command,
        studies.ablate_command,
        studies.study_group,
    ),
    "Use models": (
        models.spot_command,
        models.spot_eval_command,
        models.predict_command,
        servers.serve_command,
        servers.app_command,
        models.pretrain_command,
        models.register_command,
        models.promote_command,
        models.rollback_command,
        models.lineage_command,
    ),
}


@click.group(cls=GroupedCommands, groups=_GROUPS)
@click.version_option(__version__, prog_name="microfacial")
def main() -> None:
    """Micro-expression recognition, from raw face clips to a promoted model.

    DVC runs the stages code, clips, faces, flow, train and report (`dvc repro`). Each stage is also a command.
    Run the commands in the root folder of the project, next to params.yaml.
    """


def run_command_line() -> None:
    """Run a command. An error that the user can repair becomes one line and exit code 2."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller has closed it, and libraries write to it all the same
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 – open until the process ends
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # names of files need not be text in the encoding of the terminal
            stream.reconfigure(errors="backslashreplace")
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    try:
        start_logging()
        announce_waits(f"loading the libraries of {' '.join(['microfacial', *words[:1]])}")
        with guard_output(), explain_missing_extras():
            sys.exit(main(prog_name="microfacial", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(USER_ERROR)
    except click.UsageError as error:
        click.echo(f"microfacial: {_describe_usage_error(error, words)}", err=True)
        sys.exit(USER_ERROR)
    except click.Abort:  # Ctrl-C
        click.echo("Aborted!", err=True)
        sys.exit(1)
    except MicrofacialError as error:
        click.echo(f"microfacial: {error}", err=True)
        sys.exit(USER_ERROR)
    except OSError as error:  # a full or read-only disk, a folder without permission
        scratch = tempfile.tempdir or "the folder of temporary files"  # gettempdir() fails if there is no such folder
        place = error.filename or f"a file below {Path.cwd()} or {scratch}"
        denied = isinstance(error, PermissionError)
        remedy = "Change its permissions, or run the command as its owner" if denied else "Repair it and try again"
        click.echo(f"microfacial: {error.strerror or error}: {place}. {remedy}", err=True)
        sys.exit(USER_ERROR)
    finally:
        gc.freeze()  # the process ends: collecting garbage would take a second with torch and MLflow


def _describe_usage_error(error: click.UsageError, words: list[str]) -> str:
    """Return what is wrong with a command line, and which help explains it, in one line.

    Args:
        error: the error.
        words: the command line without options.
    """
    named = [word for word in words[:1] if word in main.commands]  # an option without its value has no context
    command = error.ctx.command_path if error.ctx else " ".join(["microfacial", *named])
    message = textwrap.shorten(error.format_message(), 300, placeholder=" …").rstrip(".")
    end = "" if message.endswith(("?", ")", "…")) else "."
    return f"{message}{end} See `{command} --help`"
