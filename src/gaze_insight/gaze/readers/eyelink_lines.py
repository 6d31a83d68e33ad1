"""The lines of an EyeLink .asc file: messages, fixations, blinks, samples and recording blocks."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError

__all__ = ["Blink", "Block", "EyeFixation", "EyeLinkLines", "EyeLinkSamples", "Message", "parse_eyelink"]

Eye = Literal["left", "right"]
_EYES: dict[str, Eye] = {"L": "left", "R": "right", "LEFT": "left", "RIGHT": "right"}
_OFFSET = re.compile(r"([+-]?\d+)\s+(\S.*)")


class Message(NamedTuple):
    """A message that the experiment sent, at the time at which what it tells of happened.

    Example:
        >>> Message(5.0, "TRIALID 1", 3).text
        'TRIALID 1'
    """

    t_ms: float
    text: str
    line: int


class EyeFixation(NamedTuple):
    """A fixation that the tracker found (EFIX), of one eye, in display coordinates; NaN where it had none."""

    eye: Eye
    start_ms: float
    duration_ms: float
    x: float
    y: float
    line: int


class Blink(NamedTuple):
    """A blink that the tracker found (EBLINK), of one eye."""

    eye: Eye
    start_ms: float
    duration_ms: float
    line: int


class Block(NamedTuple):
    """A stretch of recording, from its START to its END line (or to its last sample, where that is later)."""

    start_ms: float
    end_ms: float
    eyes: tuple[Eye, ...]
    line: int


@dataclass(frozen=True)
class EyeLinkSamples:
    """All samples of a file, in time order; NaN where an eye was lost or not recorded.

    Args:
        t_ms: Times, shape (N,), strictly increasing.
        left: Position (x, y) of the left eye, shape (N, 2), in display coordinates.
        right: Position of the right eye, shape (N, 2).
    """

    t_ms: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]


@dataclass(frozen=True)
class EyeLinkLines:
    """What an .asc file says, before anything is chosen.

    Args:
        messages: Sorted by time.
        fixations: In the order of the file.
        blinks: In the order of the file.
        blocks: In time order.
        samples: Of both eyes.
        problems: One error a bad line.
        notes: What is odd about the file and spoils no line: text that is not UTF-8, an END that is missing.
    """

    messages: tuple[Message, ...]
    fixations: tuple[EyeFixation, ...]
    blinks: tuple[Blink, ...]
    blocks: tuple[Block, ...]
    samples: EyeLinkSamples
    problems: list[DataError]
    notes: list[DataError]


def parse_eyelink(path: str | Path) -> EyeLinkLines:
    r"""Read an .asc file, the text that SR Research's edf2asc makes of an .edf recording.

    The format is that of the EyeLink user manuals, section "The ASC File Format". Read are `MSG`, `START`,
    `END`, `EVENTS`, `SAMPLES`, `EFIX`, `EBLINK` and the samples; the other event lines say nothing more about
    fixations. A message that begins with a whole number n tells of what happened n ms before it (SR Research,
    "timing offset in sending messages"). Lines of no known kind continue a message (calibration tables). With
    2000 Hz and times in whole ms the second of two equal times is half a millisecond later. "." is missing.

    Args:
        path: The file. Lines that are not UTF-8 are read as Latin-1 and counted.

    Returns:
        All it says. A line with missing fields, with text for a number, or whose time goes back is one of the
        `problems` and is left out.

    Raises:
        DataError: The file is missing, empty, not EyeLink text, holds no recording, or positions that are not
            on the screen (HREF or raw pupil).

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.asc")
        >>> _ = file.write_text(
        ...     "** DATE: today\nMSG 5 TRIALID 1\nSTART 10 LEFT EVENTS\nEVENTS GAZE LEFT RATE 1000.00\n"
        ...     "EFIX L 10 209 200 512.5 300.0 900\nEND 300 EVENTS RES 1 1\n"
        ... )
        >>> lines = parse_eyelink(file)
        >>> lines.messages[0].text, lines.fixations[0].duration_ms, lines.blocks[0].end_ms
        ('TRIALID 1', 200.0, 300.0)
    """
    parser = _Parser(Path(path))
    for number, line in parser.lines():
        parser.take(number, line)
    return parser.finished()


class _Parser:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[Message] = []
        self.fixations: list[EyeFixation] = []
        self.blinks: list[Blink] = []
        self.blocks: list[Block] = []
        self.problems: list[DataError] = []
        self.notes: list[DataError] = []
        self.recoded = 0
        self.samples = array("d")
        self.open: Block | None = None
        self.period_ms = 0.0
        self.last_ms = self.last_sample_ms = -math.inf
        self.last_start: dict[Eye, float] = {}
        self.stray = False
        self.take_event: dict[str, Callable[[int, str], None]] = {
            "MSG": self._message,
            "START": self._start,
            "END": self._end,
            "EVENTS": self._kind,
            "SAMPLES": self._kind,
            "EFIX": self._fixation,
            "EBLINK": self._blink,
        }

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield (line number, text) of every line."""
        try:
            with self.path.open("rb") as file:
                head = file.read(4096)
                if head.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise self._error(
                        "the file is UTF-16 text, not what edf2asc writes",
                        remedy="save it in UTF-8, or convert the .edf recording with edf2asc again",
                    )
                if b"\0" in head:
                    raise self._error(
                        "this is a binary file, not the text that edf2asc writes",
                        remedy="convert the .edf recording with SR Research's edf2asc",
                    )
                file.seek(0)
                for number, raw in enumerate(file, start=1):
                    try:
                        yield number, raw.decode("utf-8").rstrip()
                    except UnicodeDecodeError:
                        self.recoded += 1
                        yield number, raw.decode("latin-1").rstrip()
        except FileNotFoundError as error:
            raise self._error("the EyeLink file does not exist") from error
        except OSError as error:
            raise self._error(f"the EyeLink file cannot be read: {error.strerror}") from error

    def take(self, number: int, line: str) -> None:
        """Take one line in; what is wrong with it goes to the problems."""
        try:
            if line[:1].isdigit():
                self._sample(number, line)
                return
            take = self.take_event.get(line.split(maxsplit=1)[0]) if line else None
            if take is not None:
                take(number, line)
        except (ValueError, IndexError) as error:
            kind = "sample" if line[:1].isdigit() else line.split(maxsplit=1)[0]
            found = line if len(line) <= 80 else line[:77] + "..."
            what = "has text for a number" if isinstance(error, ValueError) else "is cut short"
            self.problems.append(self._error(f"the {kind} line {what}: {found!r}", number))
        except DataError as problem:
            if problem.row is None:
                raise
            self.problems.append(problem)

    def _message(self, number: int, line: str) -> None:
        cells = line.split(maxsplit=2)
        text, t_ms = cells[2] if len(cells) > 2 else "", float(cells[1])
        offset = _OFFSET.match(text)
        if offset:
            t_ms, text = t_ms - int(offset[1]), offset[2]
        self.messages.append(Message(t_ms, text, number))

    def _start(self, number: int, line: str) -> None:
        cells = line.split()
        start = float(cells[1])
        eyes = tuple(dict.fromkeys(_EYES[cell] for cell in cells[2:] if cell in _EYES))
        if not eyes:
            raise self._error(f"the START line names no eye: {line!r}", number)
        if self.open is not None:
            self.notes.append(self._error("recording starts again without an END line before", number))
            self._close(self.last_ms)
        if self.blocks and start < self.blocks[-1].end_ms:
            raise self._error(
                f"time goes back: recording starts at {start:.12g} ms, before the end of the one before",
                number,
            )
        self.open = Block(start, math.nan, eyes, number)

    def _end(self, number: int, line: str) -> None:
        if self.open is None:
            raise self._error("an END line without a START line before", number)
        self._close(float(line.split()[1]))

    def _close(self, end_ms: float) -> None:
        if self.open is not None:
            self.blocks.append(self.open._replace(end_ms=max(end_ms, self.open.start_ms, self.last_ms)))
            self.open = None

    def _kind(self, number: int, line: str) -> None:
        cells = line.split()
        if "GAZE" not in cells:
            raise DataError(
                f"the {cells[0].lower()} hold no gaze on the screen: {line!r}",
                path=self.path,
                remedy=f"line {number}; convert the .edf recording with GAZE positions (edf2asc -sg)",
            )
        if "RATE" in cells:
            self.period_ms = 1000.0 / float(cells[cells.index("RATE") + 1])

    def _fixation(self, number: int, line: str) -> None:
        cells = line.split()
        eye, start, duration = self._span("fixation", number, cells)
        x, y = (math.nan if cell == "." else float(cell) for cell in (cells[5], cells[6]))
        if start < self.last_start.get(eye, -math.inf):
            raise self._error(f"time goes back: a {eye} fixation starts at {start:.12g} ms", number)
        self.last_start[eye] = start
        self.fixations.append(EyeFixation(eye, start, duration, x, y, number))

    def _blink(self, number: int, line: str) -> None:
        eye, start, duration = self._span("blink", number, line.split())
        self.blinks.append(Blink(eye, start, duration, number))

    def _span(self, what: str, number: int, cells: list[str]) -> tuple[Eye, float, float]:
        if cells[1] not in _EYES:
            raise self._error(f"a {what} must be of eye L or R, found {cells[1]!r}", number)
        start, end, duration = (float(cells[at]) for at in (2, 3, 4))
        if end < start or not duration > 0:
            raise self._error(f"a {what} must end after its start: {start:.12g} to {end:.12g} ms", number)
        self.last_ms = max(self.last_ms, start + duration)
        return _EYES[cells[1]], start, duration

    def _sample(self, number: int, line: str) -> None:
        if self.open is None:
            if not self.stray:
                self.stray = True
                raise self._error("samples outside a recording (no START line before)", number)
            return
        eyes = self.open.eyes
        cells = line.split(maxsplit=1 + 3 * len(eyes))
        t_ms = float(cells[0])
        xy = [math.nan] * 4
        for place, eye in enumerate(eyes):
            at = 0 if eye == "left" else 2
            x, y = cells[1 + 3 * place], cells[2 + 3 * place]
            if x != "." and y != ".":
                xy[at], xy[at + 1] = float(x), float(y)
        if t_ms <= self.last_sample_ms:
            if t_ms + 0.5 <= self.last_sample_ms or self.period_ms != 0.5:
                raise self._error(
                    f"time goes back: a sample at {t_ms:.12g} ms after one at {self.last_sample_ms:.12g}",
                    number,
                )
            t_ms += 0.5
        self.last_sample_ms = t_ms
        self.last_ms = max(self.last_ms, t_ms + self.period_ms)
        self.samples.extend((t_ms, *xy))

    def finished(self) -> EyeLinkLines:
        """Return what was read; refuse a file without a recording."""
        if self.open is not None:
            self.notes.append(
                self._error("the last recording has no END line: the file is cut short", self.open.line)
            )
            self._close(self.last_ms)
        if self.recoded:
            self.notes.append(self._error(f"{self.recoded} lines are not UTF-8 and were read as Latin-1"))
        if not self.blocks:
            raise (
                self.problems[0]
                if self.problems
                else self._error(
                    "no START line: this is no EyeLink .asc file, or it holds no recording",
                    remedy="convert the .edf recording with SR Research's edf2asc",
                )
            )
        table = np.frombuffer(self.samples, dtype=np.float64).reshape(-1, 5)
        return EyeLinkLines(
            messages=tuple(sorted(self.messages, key=lambda message: (message.t_ms, message.line))),
            fixations=tuple(self.fixations),
            blinks=tuple(self.blinks),
            blocks=tuple(self.blocks),
            samples=EyeLinkSamples(table[:, 0], table[:, 1:3], table[:, 3:5]),
            problems=self.problems,
            notes=self.notes,
        )

    def _error(self, message: str, row: int | None = None, *, remedy: str | None = None) -> DataError:
        return DataError(message, path=self.path, row=row, remedy=remedy)
