"""What every command shares on the terminal: progress, plain output, plug-ins and configuration flags."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from gaze_insight.errors import SettingsError
from gaze_insight.types import Progress

__all__ = ["count_of", "load_plugins", "print_json", "say", "show_progress"]

_LINE_SECONDS = 15.0
_PLUGIN_ERRORS = (
    ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError, LookupError, OSError,
)  # fmt: skip


def say(text: str = "") -> None:
    """Write a line of result to standard output; of several processes, the first alone speaks.

    Args:
        text: The line.
    """
    if _speaks():
        sys.stdout.write(text + "\n")


def count_of(number: int, noun: str) -> str:
    """Name a number of things.

    Args:
        number: How many.
        noun: One of them; its plural ends in s.

    Returns:
        The words.

    Example:
        >>> count_of(1, "case"), count_of(1200, "case")
        ('1 case', '1,200 cases')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _speaks() -> bool:
    return os.environ.get("RANK", "0") == "0"


def print_json(content: Mapping[str, Any]) -> None:
    """Write plain values as JSON to standard output.

    Args:
        content: The values.
    """
    say(json.dumps(content, indent=2, default=str))


def _nothing() -> str:
    return ""


@contextmanager
def show_progress(*, quiet: bool = False, note: Callable[[], str] = _nothing) -> Iterator[Progress]:
    """Show progress with the time left on standard error: a moving line in a terminal, else one now and then.

    Args:
        quiet: Show nothing.
        note: Gives what else to say on each line, such as the cost so far.

    Yields:
        What receives progress.
    """
    if quiet or not _speaks():
        yield lambda what, done, total: None
    elif sys.stderr.isatty():
        with _moving_bar(note) as progress:
            yield progress
    else:
        yield _plain_lines(note)


@contextmanager
def _moving_bar(note: Callable[[], str]) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, note="")
            bars.update(tasks[what], completed=done, total=total, note=note())

        yield progress


def _plain_lines(note: Callable[[], str]) -> Progress:
    begun: dict[str, tuple[float, int]] = {}
    written: dict[str, float] = {}

    def progress(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        start, first = begun.setdefault(what, (now, done))
        written.setdefault(what, now)
        if done < total and now - written[what] < _LINE_SECONDS:
            return
        written[what] = now
        rate = (done - first) / (now - start) if now > start else 0.0
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        more = f"; {said}" if (said := note()) else ""
        sys.stderr.write(f"{what}: {done}/{total}{left}{more}\n")
        sys.stderr.flush()

    return progress


def load_plugins(modules: tuple[str, ...]) -> None:
    """Import the user's own modules, which register their methods, readers and data sets.

    Args:
        modules: Files that end in ``.py``, or dotted names found on the Python path or in the current folder.

    Raises:
        SettingsError: A module cannot be found or imported.
    """
    if modules and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in modules:
        try:
            if name.endswith(".py"):
                _import_file(Path(name))
            else:
                import_module(name)
        except _PLUGIN_ERRORS as error:
            raise SettingsError(
                f"the plug-in {name!r} cannot be imported: {type(error).__name__}: {error}"
            ) from error


def _import_file(path: Path) -> None:
    if not path.is_file():
        raise SettingsError("expected a Python file to plug in, found none", path=path)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found = import_module(path.stem).__file__
    if found is None or Path(found).resolve() != path.resolve():
        raise SettingsError(
            f"another module is called {path.stem!r} too: {found}", path=path, remedy="rename the file"
        )
