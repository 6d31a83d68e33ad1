"""Which image an EyeLink recording showed when, by the messages it holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, cast

from pydantic import AfterValidator, Field

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.eyelink_lines import EyeLinkLines, Message
from gaze_insight.gaze.readers.placing import Display, Place, Placed
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.gaze.readers.showings import trials_of
from gaze_insight.gaze.recording import image_id_of
from gaze_insight.types import Settings, Size

__all__ = ["ImageMessages", "Showings", "display_of", "showings_of"]

_AT_ONCE_MS = 50.0
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_IMGLOAD = re.compile(
    rf"!V\s+IMGLOAD\s+(FILL|CENTER|TOP_LEFT)\s+(.+?)(?:\s+{_NUMBER}[\s,]+{_NUMBER}"
    rf"(?:[\s,]+{_NUMBER}[\s,]+{_NUMBER})?)?\s*$",
    re.IGNORECASE,
)
_COORDS = re.compile(rf"(DISPLAY|GAZE)_COORDS\s*=?\s*{_NUMBER}" + rf"[\s,]+{_NUMBER}" * 3 + r"\s*$")
_SAME_PX = 1.0
_DULL = re.compile(
    r"!CAL|!CMD|!MODE|VALIDATE|DRIFTCORRECT|RECCFG|ELCL|GAZE_COORDS|THRESHOLDS|CAMERA_|PUPIL_|RETRACE_|ENVIRON"
)
_LISTED = 8


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


def _names_image(pattern: str) -> str:
    if "image" not in re.compile(_compiles(pattern)).groupindex:
        raise ValueError("it must hold the group (?P<image>...)")
    return pattern


_Pattern = Annotated[str, AfterValidator(_compiles)]
_ImagePattern = Annotated[str, AfterValidator(_names_image)]


class ImageMessages(Settings):
    r"""Which messages say what; the defaults are those of SR Research's Data Viewer protocol.

    Patterns are regular expressions, matched at the start of a message in any case of letters.

    Example:
        >>> ImageMessages(image_from="message", image_message=r"show (?P<image>\S+)").image_from
        'message'
    """

    image_from: Literal["auto", "imgload", "variable", "message", "trial", "file"] = Field(
        "auto",
        description="what names the image: !V IMGLOAD, !V TRIAL_VAR, image_message, the text after "
        "trial_start, or the recording's file name; auto: image_message where stated, else IMGLOAD, else "
        "TRIAL_VAR",
    )
    image: str | None = Field(None, description="the one image that the whole file shows; null: several")
    image_variable: str = Field("image", description="the name of the TRIAL_VAR that holds the image")
    image_message: _ImagePattern | None = Field(
        None, description="a message that names the image that appears, with the group (?P<image>...)"
    )
    trial_start: _Pattern = Field(r"TRIALID\b", description="a trial begins")
    trial_end: _Pattern = Field(r"TRIAL_RESULT\b", description="a trial ends")
    onset: _Pattern | None = Field(
        r"(SYNCTIME|DISPLAY[ _]ON|IMAGE_ONSET|STIM_ONSET)\b",
        description="the loaded image appears; null: it appears when it is loaded",
    )
    offset: _Pattern | None = Field(
        r"(!V CLEAR|DISPLAY[ _]OFF|BLANK_SCREEN|IMAGE_OFFSET|STIM_OFFSET)\b",
        description="the image goes; null: when the next comes or the trial ends",
    )


class Showings(NamedTuple):
    """Images on the display, in time order; problems that spoil some, and notes that spoil none."""

    placed: list[Placed]
    problems: list[DataError]
    notes: list[DataError]


def showings_of(
    lines: EyeLinkLines, messages: ImageMessages, context: ReadingContext, session: str, path: Path
) -> Showings:
    r"""Return which image was shown when.

    A table of trials (`context.trials`) decides where there is one; then `image` and ``image_from: file``,
    for which the whole recording shows one image; then the messages. A trial lasts from `trial_start` to
    `trial_end` or the next `trial_start`; a file without `trial_start` is one trial. An image that is loaded
    appears with the first `onset` after it, and stays until `offset`, the next image or the trial's end. An
    image named by TRIAL_VAR or the trial itself stands from the first `onset` to the first `offset` after it.
    Times outside START and END are cut off.

    Args:
        lines: The parsed file.
        messages: Which messages say what.
        context: The table of trials, if any.
        session: The recording's name, for the table of trials.
        path: The file.

    Returns:
        The showings within the recording, one problem for two images loaded within 50 ms and for a trial of
        the table when nothing was recorded, and one note for an image loaded when nothing was recorded.

    Raises:
        DataError: Nothing says which image was shown; the messages found are listed.

    Example:
        >>> import tempfile
        >>> from gaze_insight.gaze.readers.eyelink_lines import parse_eyelink
        >>> file = Path(tempfile.mkdtemp(), "s1.asc")
        >>> _ = file.write_text("START 10 LEFT EVENTS\nMSG 20 !V IMGLOAD FILL a.png\nEND 900\n")
        >>> found = showings_of(parse_eyelink(file), ImageMessages(), ReadingContext(), "s1", file)
        >>> [(one.image, one.start_ms, one.end_ms) for one in found.placed]
        [('a', 20.0, 900.0)]
    """
    whole = (lines.blocks[0].start_ms, lines.blocks[-1].end_ms)
    problems: list[DataError] = []
    if context.trials:
        listed = [
            Placed(trial.image, trial.start_ms, trial.end_ms, lines.blocks[0].line)
            for trial in trials_of(context, session, path)
        ]
    elif messages.image is not None or messages.image_from == "file":
        image = image_id_of(messages.image or path.stem)
        listed = [Placed(image, *whole, lines.blocks[0].line)]
    else:
        listed = [
            showing
            for trial in _trials(lines.messages, messages, whole[1])
            for showing in _of_trial(*trial, messages, problems, path)
        ]
    if not listed and not problems:
        raise _nothing(lines.messages, path)
    kept: list[Placed] = []
    notes: list[DataError] = []
    for one in sorted(listed, key=lambda showing: showing.start_ms):
        within = [
            block for block in lines.blocks if block.start_ms < one.end_ms and block.end_ms > one.start_ms
        ]
        if within:
            start_ms, end_ms = max(one.start_ms, within[0].start_ms), min(one.end_ms, within[-1].end_ms)
            kept.append(one._replace(start_ms=start_ms, end_ms=end_ms))
        else:
            found = f"image {one.image!r} was shown from {one.start_ms:.12g} ms, when nothing was recorded"
            (problems if context.trials else notes).append(DataError(found, path=path, row=one.line))
    return Showings(kept, problems, notes)


def display_of(messages: Sequence[Message], path: Path) -> Display | None:
    """Return the display that `DISPLAY_COORDS` states, else `GAZE_COORDS`; None without either.

    Both give the numbers of the first and last pixel, so ``width = right - left + 1``.

    Args:
        messages: Of the whole file.
        path: The file, for messages.

    Raises:
        DataError: Two of them differ by more than a pixel, or the display has no extent.

    Example:
        >>> display_of([Message(5.0, "DISPLAY_COORDS 0 0 1919 1079", 3)], Path("a.asc")).size
        Size(height=1080, width=1920)
    """
    stated = [(match, message) for message in messages if (match := _COORDS.match(message.text))]
    if not stated:
        return None
    first = stated[0]
    for match, message in stated:
        pairs = zip(match.groups()[1:], first[0].groups()[1:], strict=True)
        if max(abs(float(a) - float(b)) for a, b in pairs) > _SAME_PX:
            raise DataError(
                f"the file states two displays: {first[1].text!r} and {message.text!r}",
                path=path,
                row=message.line,
                remedy="split the recording, or correct the message that is wrong",
            )
    match, message = next((one for one in stated if one[0][1] == "DISPLAY"), first)
    left, top, right, bottom = (float(cell) for cell in match.groups()[1:])
    if right <= left or bottom <= top:
        raise DataError(f"the display has no extent: {message.text!r}", path=path, row=message.line)
    return Display(left, top, Size(round(bottom - top) + 1, round(right - left) + 1), message.line)


def _trials(
    messages: Sequence[Message], names: ImageMessages, end_ms: float
) -> Iterator[tuple[list[Message], float]]:
    """Yield the messages and the end of each trial; a file without trials is one."""
    starts = [index for index, one in enumerate(messages) if _is(names.trial_start, one)]
    for first, stop in zip(starts or [0], [*starts[1:], len(messages)], strict=True):
        part = list(messages[first:stop])
        over = next((place for place, one in enumerate(part) if _is(names.trial_end, one)), None)
        if over is not None:
            yield part[:over], part[over].t_ms
        elif part:
            yield part, messages[stop].t_ms if stop < len(messages) else end_ms


def _of_trial(
    part: list[Message], end_ms: float, names: ImageMessages, problems: list[DataError], path: Path
) -> list[Placed]:
    auto = names.image_from == "auto"
    if names.image_message is not None and (auto or names.image_from == "message"):
        found = [_named(names.image_message, one) for one in part]
    else:
        found = [_loaded(one) if auto or names.image_from == "imgload" else None for one in part]
    if any(found):
        return _appearing(part, found, end_ms, names, problems, path)
    name = None
    if auto or names.image_from == "variable":
        name = next((value for one in part if (value := _variable(names.image_variable, one))), None)
    elif names.image_from == "trial":
        name = re.sub(names.trial_start, "", part[0].text, count=1, flags=re.IGNORECASE)
    image = image_id_of(name or "")
    if not image:
        return []
    on = next((one.t_ms for one in part if _is(names.onset, one)), part[0].t_ms)
    off = next((one.t_ms for one in part if one.t_ms > on and _is(names.offset, one)), end_ms)
    return [Placed(image, on, off, part[0].line)]


def _appearing(
    part: list[Message],
    found: list[Placed | None],
    end_ms: float,
    names: ImageMessages,
    problems: list[DataError],
    path: Path,
) -> list[Placed]:
    """Follow the messages of a trial in which images are loaded."""
    done: list[Placed] = []
    now: Placed | None = None
    seen = False
    for message, loaded in zip(part, found, strict=True):
        if loaded is not None:
            if now is not None and (now.image, now.place) == (loaded.image, loaded.place):
                continue
            if now is not None and now.image != loaded.image and message.t_ms - now.start_ms < _AT_ONCE_MS:
                problems.append(
                    DataError(
                        f"images {now.image!r} and {loaded.image!r} are loaded at once: which one is looked "
                        "at cannot be told",
                        path=path,
                        row=message.line,
                        remedy="name the image by image_from: variable or by a table of trials",
                    )
                )
            elif now is not None:
                done.append(now._replace(end_ms=message.t_ms))
            now, seen = loaded, False
        elif now is not None and not seen and _is(names.onset, message):
            now, seen = now._replace(start_ms=message.t_ms), True
        elif now is not None and _is(names.offset, message):
            done.append(now._replace(end_ms=message.t_ms))
            now = None
    return done if now is None else [*done, now._replace(end_ms=end_ms)]


def _is(pattern: str | None, message: Message) -> bool:
    return pattern is not None and re.match(pattern, message.text, re.IGNORECASE) is not None


def _named(pattern: str, message: Message) -> Placed | None:
    match = re.match(pattern, message.text, re.IGNORECASE)
    image = image_id_of(match["image"] or "") if match else ""
    return Placed(image, message.t_ms, message.t_ms, message.line) if image else None


def _loaded(message: Message) -> Placed | None:
    match = _IMGLOAD.match(message.text)
    if not match:
        return None
    how, name, x, y, width, height = match.groups()
    place = Place(
        cast(Literal["FILL", "CENTER", "TOP_LEFT"], how.upper()),
        None if x is None else (float(x), float(y)),
        None if width is None else (float(width), float(height)),
    )
    return Placed(image_id_of(name.strip("\"'")), message.t_ms, message.t_ms, message.line, place)


def _variable(name: str, message: Message) -> str | None:
    match = re.match(rf"!V\s+TRIAL_VAR\s+{re.escape(name)}[\s=]+(.+)", message.text, re.IGNORECASE)
    return match[1].strip().strip("\"'") if match else None


def _nothing(messages: Sequence[Message], path: Path) -> DataError:
    kinds = Counter(
        " ".join(one.text.split()[: 3 if one.text.startswith("!V") else 1])
        for one in messages
        if one.text and not _DULL.match(one.text)
    )
    listed = [f"{kind} ({count})" for kind, count in kinds.most_common(_LISTED)]
    more = f" and {len(kinds) - _LISTED} more kinds" if len(kinds) > _LISTED else ""
    return DataError(
        f"nothing says which image was shown; messages found: {', '.join(listed) or 'none'}{more}",
        path=path,
        remedy="set image_message, image_from or image for this format, or give a table of trials",
    )
