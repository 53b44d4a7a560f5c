"""Typer commands made from declared commands: options with their help, the call in one transaction, ``--json``.

A noun of ``roomkey admin`` adds its tables and sentences by ``Noun.shows``, and no more.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from roomkey.authorization_server.commands.command import Command, commands_of, revealed, summary_of
from roomkey.authorization_server.commands.fields import convert
from roomkey.authorization_server.commands.paging import ListCommand, all_items
from roomkey.authorization_server.commands.terminal import Parameter, element_of, parameters_of
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.cli.admin.context import Place, changing, reading
from roomkey.cli.admin.printing import print_json
from roomkey.cli.admin.time_span import seconds
from roomkey.cli.exit_code import ExitCode
from roomkey.errors import ConfigurationError

if TYPE_CHECKING:
    import typer

Shown = TypeVar("Shown", bound=Callable[..., None])
Verb = TypeVar("Verb", bound=Callable[..., int])
Given = Mapping[str, Any]
_LARGEST_FILE = 65_536


@dataclasses.dataclass(frozen=True, slots=True)
class Extra:
    """Options of a verb that are not fields of its command.

    Attributes:
        options: their types for typer and their defaults, by name.
        read: makes fields of what was given, in the transaction of the command.
        also: commands whose results are shown along, by the name that they have in the JSON; each is given what its
            fields ask for.
        members: makes further members of the JSON of a result, or of each item of a list.
    """

    options: Mapping[str, tuple[Any, Any]] = dataclasses.field(default_factory=dict)
    read: Callable[[UnitOfWork, Given], Mapping[str, Any]] = lambda _, __: {}
    also: Mapping[str, type[Command[Any]]] = dataclasses.field(default_factory=dict)
    members: Callable[[Any], Mapping[str, Any]] = lambda _: {}


class Noun:
    """A noun of ``roomkey admin`` with a verb for each command that has one.

    Parameters:
        name: the noun.
        words: its help.
    """

    def __init__(self, name: str, words: str) -> None:
        self._name = name
        self._words = words
        self._shown: dict[str, tuple[type[Command[Any]], Callable[..., None], Extra]] = {}
        self._written: list[tuple[str, str, Callable[..., int]]] = []

    def shows(self, kind: type[Command[Any]], extra: Extra | None = None) -> Callable[[Shown], Shown]:
        """Make the verb of ``kind``, whose result the decorated function prints for a reader.

        It is called with the result (of a list: all items as a tuple), and the results of ``extra.also`` by name.
        """

        def add(show: Shown) -> Shown:
            self._shown[kind.declaration.verb] = (kind, show, extra or Extra())
            return show

        return add

    def command(self, name: str, words: str) -> Callable[[Verb], Verb]:
        """Add a verb that is written by hand."""

        def add(written: Verb) -> Verb:
            self._written.append((name, words, written))
            return written

        return add

    @property
    def app(self) -> "typer.Typer":
        """The group for typer, which is slow to import."""
        import typer

        from roomkey.cli import help as help_

        verbs = {
            verb: (summary_of(kind), _callback(kind, show, extra)) for verb, (kind, show, extra) in self._shown.items()
        }
        verbs |= {name: (words, written) for name, words, written in self._written}
        declared = [kind.declaration.verb for kind in commands_of(self._name)]
        app = typer.Typer(cls=help_.HelpGroup, help=self._words)
        for verb in sorted(verbs, key=lambda verb: declared.index(verb) if verb in declared else len(declared)):
            words, call = verbs[verb]
            app.command(verb, cls=help_.HelpCommand, short_help=words)(call)
        return app

    @property
    def has_list(self) -> bool:
        """True where its verb ``list`` is made from a command."""
        return "list" in self._shown

    def list_all(self, place: Place, *, as_json: bool) -> int:
        """Run the verb ``list`` without options, as typer would, but without typer."""
        kind, show, extra = self._shown["list"]
        given = {one.field: _for_default(one) for one in _own_parameters(kind)}
        given |= {name: default for name, (_, default) in extra.options.items()} | {"as_json": as_json}
        return _perform(kind, show, extra, SimpleNamespace(obj=place), given)


def _callback(kind: type[Command[Any]], show: Callable[..., None], extra: Extra) -> Callable[..., int]:
    """The function whose signature typer makes options of."""
    import typer

    own = _own_parameters(kind)
    types: dict[str, tuple[Any, Any]] = {one.field: _for_typer(one) for one in own if one.typed.argument}
    types |= {one.field: _for_typer(one) for one in own if not one.typed.argument and one.required}
    types |= extra.options
    types |= {one.field: _for_typer(one) for one in own if not one.typed.argument and not one.required}
    as_json = typer.Option("--json", help="One JSON object on stdout, for a script.")
    types["as_json"] = (Annotated[bool, as_json], False)

    def call(context: typer.Context, **given: Any) -> int:
        return _perform(kind, show, extra, context, given)

    call.__doc__ = kind.__doc__
    keyword = inspect.Parameter.KEYWORD_ONLY
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
        + [
            inspect.Parameter(name, keyword, default=default, annotation=hint)
            for name, (hint, default) in types.items()
        ]
    )
    call.__annotations__ = {"context": typer.Context} | {name: hint for name, (hint, _) in types.items()}
    return call


def _perform(
    kind: type[Command[Any]], show: Callable[..., None], extra: Extra, context: Any, given: dict[str, Any]
) -> int:
    """Run the command with what was typed, and print its result."""
    as_json = given.pop("as_json")
    own = _own_parameters(kind)
    fields = {one.field: _read(one, given[one.field]) for one in own if given.get(one.field) is not None}
    transaction = reading if kind.declaration.reads else changing
    with transaction(context) as uow:
        command = convert({**fields, **extra.read(uow, given)}, kind)
        listing = isinstance(command, ListCommand)
        result = tuple(all_items(uow, command)) if isinstance(command, ListCommand) else command(uow)
        also = {
            name: other(*(getattr(command, field) for field in other.__struct_fields__))(uow)
            for name, other in extra.also.items()
        }
    if not as_json:
        show(result, **also)
    elif listing:
        name = kind.declaration.path.strip("/").replace("-", "_")
        print_json(**{name: [{**_flat(one), **extra.members(one)} for one in result]})
    else:
        print_json(**_flat(result), **extra.members(result), **{name: _items(one) for name, one in also.items()})
    return ExitCode.OK


def _own_parameters(kind: type[Command[Any]]) -> list[Parameter]:
    return [one for one in parameters_of(kind) if not hasattr(element_of(one.kind), "options_of")]


def _for_typer(parameter: Parameter) -> tuple[Any, Any]:
    """The annotated type for typer, and the default: None stands for the command's own."""
    import typer

    typed = parameter.typed
    metavar = typed.metavar or None
    if typed.argument:
        argument = typer.Argument(metavar=metavar, help=parameter.help, show_default=False)
        return Annotated[str, argument], inspect.Parameter.empty
    option = typer.Option(_name(parameter), metavar=metavar, help=parameter.help, show_default=False)
    kind: Any = str
    if parameter.kind is bool:
        option = typer.Option(_name(parameter), help=parameter.help, show_default=False)
        kind = bool
    elif typed.read == "each":
        kind = list[str]
    elif typed.read == "file":
        kind = Path
    if parameter.required:
        return Annotated[kind, option], inspect.Parameter.empty
    default = _for_default(parameter)
    return Annotated[kind if default is not None else kind | None, option], default


def _for_default(parameter: Parameter) -> bool | None:
    """The value of an option that was not given; None stands for the command's own default."""
    return False if parameter.typed.read == "not" else None


def _name(parameter: Parameter) -> str:
    name = parameter.typed.name
    if parameter.kind is bool and "/" not in name and parameter.typed.read != "not":
        return f"{name}/--no-{name.removeprefix('--')}"
    return name


def _read(parameter: Parameter, given: Any) -> Any:
    """What was typed as the field has it."""
    element = element_of(parameter.kind)
    if element is not None:
        items = given if parameter.typed.read == "each" else given.replace(",", " ").split()
        return [element.from_text(one) if hasattr(element, "from_text") else one for one in items]
    if parameter.typed.read == "seconds":
        return seconds(given, parameter.typed.name)
    if parameter.typed.read == "file":
        return _file(given)
    return not given if parameter.typed.read == "not" else given


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE).decode()
    except OSError as error:
        problem = f"The file {path} cannot be read: {error.strerror}."
    except UnicodeDecodeError:
        problem = f"The file {path} is not text."
    raise ConfigurationError(problem)


def _flat(result: Any) -> dict[str, Any]:
    """A result for a script: the members of what it is about stand beside the secrets that were made with it."""
    plain: dict[str, Any] = msgspec.to_builtins(result, enc_hook=revealed)
    nested = [one.name for one in dataclasses.fields(result) if dataclasses.is_dataclass(getattr(result, one.name))]
    if not nested:
        return plain
    members = {name: value for name in nested for name, value in plain[name].items()}
    return members | {name: value for name, value in plain.items() if name not in nested and value is not None}


def _items(result: Any) -> Any:
    return msgspec.to_builtins(result.items if hasattr(result, "items") else result)
