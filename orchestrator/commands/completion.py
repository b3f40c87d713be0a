"""Shell completion. Loads neither torch nor Ray, nor the parser of sweep files."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from orchestrator.command_line.base import NAME

SHELLS = ("bash", "zsh", "fish")

VARIABLE = f"_{NAME.upper()}_COMPLETE"

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _fitting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def sweeps(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from sweeps.bundled import bundled_paths

    return _fitting(bundled_paths(), incomplete) or [CompletionItem(incomplete, type="file")]


def _names_in(registry: str) -> Completion:
    def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from trainables import catalogue

        return _fitting(getattr(catalogue, registry).names(), incomplete)

    return names


losses = _names_in("LOSSES")
models = _names_in("MODELS")
datasets = _names_in("DATASETS")
samplers = _names_in("SAMPLERS")
protocols = _names_in("PROTOCOLS")
metrics = _names_in("METRICS")
calibrators = _names_in("CALIBRATORS")


def scores(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from results.scoring.scores import known_metrics

    return _fitting(known_metrics(), incomplete)


def figures(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from results.figures.kinds import names

    return _fitting(names(), incomplete)


def criteria(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from results.scoring.scores import criteria

    return _fitting(criteria(), incomplete)


def tables_of_papers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from results.tables.published import published_tables

    return _fitting(published_tables(), incomplete)


def settings(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from sweeps.spec import SETTINGS

    return _fitting((f"{path}=" for path in SETTINGS), incomplete)


def script(program: click.Command, shell: str) -> str:
    """The completion script for a shell."""
    kind: type[ShellComplete] | None = get_completion_class(shell)
    assert kind is not None
    return kind(program, {}, NAME, VARIABLE).source()


def install(program: click.Command, shell: str) -> Path:
    """Installs completion for each new shell of the user. Returns the installed file.

    A second call replaces the file. fish finds it by itself; the others need a line in ~/.bashrc or ~/.zshrc.
    """
    if shell == "fish":
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "fish" / "completions"
        target = folder / f"{NAME}.fish"
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / NAME
        target = folder / f"completion.{shell}"
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(script(program, shell), encoding="utf-8")
    if shell != "fish":
        _add_line(Path.home() / f".{shell}rc", _reading(target, shell))
    return target


def _reading(target: Path, shell: str) -> str:
    started = (
        "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }; " if shell == "zsh" else ""
    )
    return f"{started}source {shlex.quote(str(target))}"


def _add_line(path: Path, line: str) -> None:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if line not in text.splitlines():
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n")


def _shell(value: str) -> str:
    """The named shell, else the user's own."""
    shell = value or Path(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise click.BadParameter(f"completion supports {', '.join(SHELLS)}, not {shell!r}.")
    return shell


def show_option(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        click.echo(script(ctx.command, _shell(value)))
        ctx.exit()


def install_option(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        try:
            target = install(ctx.command, _shell(value))
        except OSError as error:
            raise click.BadParameter(f"{error.filename}: {error.strerror}.") from error
        click.echo(f"Installed completion in {target}. Open a new shell to use it.")
        ctx.exit()


OPTIONS: Sequence[click.Option] = tuple(
    click.Option(
        [name],
        is_flag=False,
        flag_value="",
        is_eager=True,
        expose_value=False,
        callback=callback,
        metavar="[SHELL]",
        help=help,
    )
    for name, callback, help in (
        ("--install-completion", install_option, "Install completion for your shell: bash, zsh or fish."),
        ("--show-completion", show_option, "Print the completion script."),
    )
)
