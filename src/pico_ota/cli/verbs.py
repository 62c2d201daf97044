"""How a verb is found, loaded when it is called, and shown in the help."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Verb(NamedTuple):
    """A row of a table of verbs.

    Attributes:
        group: under which title the help lists it.
        about: its line there.
        module: where it lives, below ``pico_ota.cli``.
        function: its name there; of a `VerbGroup` where it has verbs of its own.
    """

    group: str
    about: str
    module: str
    function: str = "command"


class VerbCommand(TyperCommand):
    """Shows its arguments as they are typed: the metavar is the whole of the usage."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind the name of the verb."""
        return ["[OPTIONS]", *(argument.metavar or argument.name for argument in self._arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """List arguments, then options."""
        rows = [(a.metavar or a.name, getattr(a, "help", None) or "") for a in self._arguments]
        if rows:
            with formatter.section("Arguments"):
                formatter.write_dl(rows)
        options = [p.get_help_record(ctx) for p in self.get_params(ctx) if not _is_argument(p)]
        with formatter.section("Options"):
            formatter.write_dl([row for row in options if row is not None])

    @property
    def _arguments(self) -> list[Any]:
        return [parameter for parameter in self.params if _is_argument(parameter)]


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


class VerbGroup(TyperGroup):
    """Knows its verbs by name and loads the file of one when it is called."""

    #: The verbs that the help lists.
    verbs: ClassVar[dict[str, Verb]] = {}
    #: Other names of verbs; they are not listed.
    aliases: ClassVar[dict[str, str]] = {}
    #: Verbs that are not listed.
    hidden_verbs: ClassVar[dict[str, Verb]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Stand-ins with a name and a line of help: for the listing, and for "did you mean".
        for name, verb in self.verbs.items():
            self.commands.setdefault(name, TyperCommand(name, short_help=verb.about))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name or alias, loaded; None where there is none."""
        name = self.aliases.get(cmd_name, cmd_name)
        verb = self.verbs.get(name) or self.hidden_verbs.get(name)
        return load(name, verb) if verb is not None else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the verbs in their groups."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, verb in self.verbs.items():
            groups.setdefault(verb.group, []).append((name, verb.about))
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def load(name: str, verb: Verb) -> Any:
    """The command object of *verb*, made of the function or the group in its file."""
    found = getattr(import_module(f".{verb.module}", __package__), verb.function)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, type) and issubclass(found, VerbGroup):
        about = found.__doc__
        app = typer.Typer(
            name=name,
            cls=found,
            add_completion=False,
            rich_markup_mode=None,
            help=about,
            short_help=verb.about,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        )
        app.callback(invoke_without_command=True, help=about)(_overview)
        return typer.main.get_command(app)
    app.command(name, cls=VerbCommand, short_help=verb.about)(found)
    return typer.main.get_command(app)


def _overview(ctx: typer.Context) -> None:
    """Without a verb of the group: its help, and the status of wrong use."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(2)
