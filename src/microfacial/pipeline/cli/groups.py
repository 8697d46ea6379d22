"""The help of the command line in groups, and options that every command has."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import click

from microfacial.pipeline.messages import set_level


class GroupedCommands(click.Group):
    """A group whose help lists its commands under headings, and whose commands all have `-v` and `-q`.

    Args:
        groups: commands by heading, in the order of the help.
        options: options of `click.Group`.
    """

    def __init__(self, *, groups: Mapping[str, Sequence[click.Command]], **options: Any) -> None:
        super().__init__(**options)
        self._groups = groups
        for commands in groups.values():
            for command in commands:
                self.add_command(command)
        add_level_options(self)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings. A long sentence goes on in the next line.

        Args:
            ctx: the context of the command line.
            formatter: receives the text.
        """
        width = max(map(len, self.commands))
        for heading, commands in self._groups.items():
            _write_commands(formatter, heading, commands, width)


class RunByDefault(click.Group):
    """A group that calls its command `run` if the first word is no command: `study hybrid` is `study run hybrid`.

    A word that is almost a command is refused, unless a model of params.yaml has this name.
    """

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands. A long sentence goes on in the next line.

        Args:
            ctx: the context of the group.
            formatter: receives the text.
        """
        _write_commands(formatter, "Commands", list(self.commands.values()), max(map(len, self.commands)))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name of the command, the command and its arguments.

        Args:
            ctx: the context of the group.
            args: the words after the name of the group.
        """
        from microfacial.pipeline.cli.completion import list_model_names  # reads YAML

        word = args[0]
        misspelt = word not in self.commands and get_close_matches(word, self.commands, cutoff=0.7)
        if word in self.commands or word.startswith("-") or (misspelt and word not in list_model_names()):
            return super().resolve_command(ctx, args)
        return super().resolve_command(ctx, ["run", *args])


def _write_commands(
    formatter: click.HelpFormatter, heading: str, commands: Sequence[click.Command], width: int
) -> None:
    """Write commands with the first sentence of their help. Click would cut this sentence after one line."""
    with formatter.section(heading):
        formatter.write_dl([(f"{command.name:<{width}}", command.get_short_help_str(1000)) for command in commands])


def add_level_options(command: click.Command) -> None:
    """Add `-v` and `-q` to a command, and to the commands of a group.

    Args:
        command: the command.
    """
    for flags, level, text in (
        (("-v", "--verbose"), "DEBUG", "Print each step and each file."),
        (("-q", "--quiet"), "WARNING", "Print results, warnings and errors only."),
    ):
        option = click.Option(
            flags, is_flag=True, expose_value=False, is_eager=True, help=text, callback=_make_callback(level)
        )
        command.params.append(option)
    for nested in command.commands.values() if isinstance(command, click.Group) else ():
        add_level_options(nested)


def _make_callback(level: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def choose(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value:
            set_level(level)

    return choose
