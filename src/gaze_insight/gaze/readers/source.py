"""Gaze files of any registered format, with all that is needed to place them on images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.events import EventSettings
from gaze_insight.gaze.geometry import Geometry, read_geometry
from gaze_insight.gaze.mapping_file import explain
from gaze_insight.gaze.readers.reading import GazeReading, ReadingContext, join_readings
from gaze_insight.gaze.readers.registry import GAZE_FORMATS, GazeFormat
from gaze_insight.gaze.readers.trials import Trial, read_trials
from gaze_insight.types import Settings, Size

__all__ = ["GazeSource", "gaze_files", "read_gaze", "read_gaze_source"]


class GazeSource(Settings):
    """How gaze files are read: the format with its settings, the geometry, event detection and trials.

    Example:
        >>> GazeSource(settings={"image": "slide"}).format_settings().image
        'slide'
    """

    format: str = Field("fixation_table", description="the file format, as `import formats` lists them")
    settings: dict[str, Any] = Field(default_factory=dict, description="settings of this format")
    geometry: Geometry | None = Field(None, description="where images stood on the screen; or a file's name")
    events: EventSettings | None = Field(
        None, description="how to detect fixations in samples; null: the file's own, where it has them"
    )
    trials: Path | None = Field(
        None, description="CSV image,start_ms,end_ms[,session], where files name none"
    )

    def format_settings(self) -> Settings:
        """Check the settings of the format.

        Returns:
            The format's settings, complete.

        Raises:
            SettingsError: The format is unknown, or a key or value does not fit it.

        Example:
            >>> GazeSource(settings={"imgae": "slide"}).format_settings()
            Traceback (most recent call last):
            ...
            gaze_insight.errors.SettingsError: gaze format fixation_table: unknown key 'imgae'
              -> did you mean 'image'?
        """
        settings_type = GAZE_FORMATS[self.format].settings_type
        try:
            return settings_type.model_validate(self.settings)
        except ValidationError as error:
            message, remedy = explain(error, settings_type)
            raise SettingsError(f"gaze format {self.format}: {message}", remedy=remedy) from error


def read_gaze_source(values: Mapping[str, Any], *, folder: Path | None = None) -> GazeSource:
    """Make a source from plain values, such as those of a settings file.

    Args:
        values: The fields of `GazeSource`; `geometry` may be a file's name.
        folder: Where file names start; by default where the program runs.

    Returns:
        The source, its format's settings checked.

    Raises:
        SettingsError: A key or value does not fit; the message names it.
        DataError: The geometry's file cannot be used.

    Example:
        >>> read_gaze_source({"settings": {"frame": "screen_px"}}).geometry is None
        True
    """
    base, values = folder or Path(), dict(values)
    if isinstance(values.get("geometry"), (str, Path)):
        values["geometry"] = read_geometry(base / values["geometry"])
    if isinstance(values.get("trials"), (str, Path)):
        values["trials"] = base / values["trials"]
    try:
        source = GazeSource.model_validate(values)
    except ValidationError as error:
        message, remedy = explain(error, GazeSource)
        raise SettingsError(f"gaze settings: {message}", remedy=remedy) from error
    source.format_settings()
    return source


def gaze_files(paths: Sequence[Path], form: GazeFormat, *, samples: bool = False) -> dict[str, Path]:
    """List the files to read, each under the name of its session.

    A folder stands for the files in it, at any depth, whose names end as the format's do. A session's name is
    the file's stem; where stems are not unique, the folder's name; where these are not, the whole path.

    Args:
        paths: Files and folders.
        form: The format.
        samples: Whether folders stand for the format's files of samples.

    Returns:
        File by session, in the given order, folders sorted by name.

    Raises:
        DataError: A path does not exist, a folder holds no such file, or a file is named twice.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("p02.csv", "p01.csv", "notes.md"):
        ...     _ = (folder / name).write_text("")
        >>> list(gaze_files([folder], GAZE_FORMATS["fixation_table"]))
        ['p01', 'p02']
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            kind = form.name.replace("_", " ")
            raise DataError(f"the {kind} does not exist", path=path, remedy="check the path")
        files += _in_folder(path, form, samples) if path.is_dir() else [path]
    twice = [path for path, count in Counter(path.resolve() for path in files).items() if count > 1]
    if twice:
        raise DataError("the gaze file is given twice", path=twice[0])
    for names in ([path.stem for path in files], [path.resolve().parent.name for path in files]):
        if len(set(names)) == len(names):
            return dict(zip(names, files, strict=True))
    return {path.as_posix(): path for path in files}


def read_gaze(
    paths: Sequence[Path],
    source: GazeSource,
    *,
    image_sizes: Mapping[str, Size] | None = None,
    min_duration_ms: float = 50.0,
    on_bad_row: Literal["raise", "skip"] = "raise",
    off_image: Literal["drop", "keep"] = "drop",
) -> GazeReading:
    r"""Read gaze files, one a participant or session, and join them.

    Args:
        paths: Files, and folders of files.
        source: Format, geometry, events and trials.
        image_sizes: Size of each image there is, in pixels, by id; needed by letterbox and native_centre.
            Gaze on other images is returned as it is.
        min_duration_ms: Shorter fixations are dropped and counted.
        on_bad_row: ``raise`` at the first bad row, or ``skip`` bad rows and, of several files, those that
            cannot be read at all, and list them in `problems`.
        off_image: ``drop`` fixations beside the image and count them, or ``keep`` them.

    Returns:
        One reading for all files. Its problems also name views for images or sessions that are not there.

    Raises:
        DataError: A file is bad, or gaze cannot be placed on its image for want of a fact.
        SettingsError: The format's settings do not fit.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "p01.csv")
        >>> _ = file.write_text("img,x,y,ms\na.png,960,540,200\n")
        >>> screen = {"screen_size_px": {"height": 1080, "width": 1920}, "fit": "letterbox"}
        >>> columns = {"image": "img", "x": "x", "y": "y", "duration_ms": "ms", "start_ms": None}
        >>> source = read_gaze_source({"settings": {**columns, "frame": "screen_px"}, "geometry": screen})
        >>> read_gaze([file], source, image_sizes={"a": Size(100, 100)}).fixations["a"].to_rows()
        [[0.5, 0.5, 200.0, 0.0]]
    """
    form, settings = GAZE_FORMATS[source.format], source.format_settings()
    files = gaze_files(paths, form, samples=source.events is not None)
    trials = () if source.trials is None else read_trials(source.trials)
    context = ReadingContext(
        geometry=source.geometry,
        image_sizes=image_sizes or {},
        events=source.events,
        min_duration_ms=min_duration_ms,
        on_bad_row=on_bad_row,
        off_image=off_image,
    )
    readings: list[GazeReading] = []
    unread: list[DataError] = []
    for name, file in files.items():
        named = len(files) > 1 or name in _sessions(source.geometry, trials)
        own = tuple(trial for trial in trials if not named or trial.session in (None, name))
        session = name if named else None
        try:
            readings.append(form.read(file, settings, replace(context, trials=own, session=session)))
        except DataError as error:
            if on_bad_row == "raise" or len(files) == 1:
                raise
            unread.append(error)
    if unread and not readings:
        raise unread[0]
    reading = join_readings(readings)
    _check_placed(reading, context, next(iter(files.values())) if len(files) == 1 else None)
    return replace(reading, problems=[*unread, *reading.problems, *_without_effect(reading, context)])


def _in_folder(folder: Path, form: GazeFormat, samples: bool) -> list[Path]:
    endings = form.sample_endings if samples and form.sample_endings else form.endings
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and any(fnmatch(path.name.lower(), f"*{ending.lower()}") for ending in endings)
    )
    if not found:
        raise DataError(
            f"expected files of the format {form.name} (named {', '.join(f'*{one}' for one in endings)}), "
            "found none",
            path=folder,
        )
    return found


def _without_effect(reading: GazeReading, context: ReadingContext) -> list[DataError]:
    """Complain of views that no gaze can meet, such as those under a mistyped name."""
    if context.geometry is None:
        return []
    seen = {name for facts in reading.facts.values() for name in (facts.session or "").split("+")}
    idle: dict[str, list[str]] = {
        "image": sorted(
            context.geometry.images.keys() - reading.fixations.keys() - context.image_sizes.keys()
        ),
        "session": sorted(name for name in _sessions(context.geometry, ()) - seen if name is not None),
    }
    return [
        DataError(f"the geometry states views for {len(names)} {what}s that are not there: {names[0]!r} ...")
        for what, names in idle.items()
        if names
    ]


def _sessions(geometry: Geometry | None, trials: Sequence[Trial]) -> set[str | None]:
    """Return the sessions that the geometry or the trials name."""
    views = () if geometry is None else [geometry.views, *geometry.images.values()]
    return {view.session for some in views for view in some} | {trial.session for trial in trials}


def _check_placed(reading: GazeReading, context: ReadingContext, path: Path | None) -> None:
    """Refuse gaze on the screen for which nobody said where the image was."""
    wanted = context.image_sizes or reading.fixations
    loose = [
        (image, one.frame)
        for image, one in reading.fixations.items()
        if image in wanted and len(one) and one.frame in ("screen_px", "degrees")
    ]
    if loose and context.geometry is None:
        image, frame = loose[0]
        raise DataError(
            f"the gaze on {image!r}{f' and {len(loose) - 1} more' if len(loose) > 1 else ''} is in {frame}, "
            "and nothing says where the image stood on the screen",
            path=path,
            remedy="state it in a geometry file (--geometry FILE)",
        )
