"""Flags that say how gaze files are read, and what they make together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from gaze_insight.errors import SettingsError

if TYPE_CHECKING:
    from gaze_insight.gaze.readers.source import GazeSource
    from gaze_insight.types import Settings

__all__ = [
    "Columns",
    "Frame",
    "GazeConfigs",
    "GazeFormatName",
    "GazeOverrides",
    "GazePaths",
    "GeometryFile",
    "TrialsFile",
    "compose_gaze_source",
    "list_settings",
]

GazePaths = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--gaze",
        show_default=False,
        help="A gaze file, or a folder of them (one a participant or session); may be given several times.",
    ),
]
GazeFormatName = Annotated[
    str | None,
    Parameter(
        name="--gaze-format",
        help="The files' format, such as eyelink_asc; `import formats` lists them. Default: fixation_table.",
    ),
]
GazeConfigs = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--gaze-config",
        show_default=False,
        help="A YAML file with format, settings, geometry, events, trials; may be given several times.",
    ),
]
GazeOverrides = Annotated[
    tuple[str, ...],
    Parameter(
        name="--gaze-set",
        show_default=False,
        help="One setting of the same, such as settings.eye=left or events.velocity_threshold=40; may be "
        "given several times and wins.",
    ),
]
GeometryFile = Annotated[
    Path | None,
    Parameter(
        name="--geometry",
        help="YAML or JSON that says where images stood on the screen, and the screen's size and distance.",
    ),
]
TrialsFile = Annotated[
    Path | None,
    Parameter(
        name="--trials",
        help="CSV image,start_ms,end_ms[,session]: which image was shown when, if the gaze files do not say.",
    ),
]
Columns = Annotated[
    tuple[str, ...],
    Parameter(
        name="--column",
        show_default=False,
        help="ROLE=NAME, such as x=FixX; repeat for each role that differs from GazeMedSeg's table. "
        "Roles: image, x, y, duration_ms, start_ms, annotator, session, image_height, image_width. An empty "
        "name says that there is no such column. time_unit=s says that times are in seconds, and "
        "in_viewing_order=true that the images' rows stand in the order of viewing.",
    ),
]
Frame = Annotated[
    Literal["image_unit", "image_px", "screen_px", "degrees"] | None,
    Parameter(
        name="--frame",
        help="What x and y of a fixation table are: fractions of the image (image_unit, the default), its "
        "pixels, or pixels or degrees of the screen (these need --geometry).",
    ),
]


def compose_gaze_source(
    *,
    files: tuple[Path, ...] = (),
    overrides: tuple[str, ...] = (),
    form: str | None = None,
    columns: tuple[str, ...] = (),
    frame: str | None = None,
    geometry: Path | None = None,
    trials: Path | None = None,
) -> GazeSource:
    """Compose how gaze is read: defaults < files < flags < single settings.

    Args:
        files: YAML files with the fields of a gaze source; names of files in them start at their folder.
        overrides: ``dotted.key=value``.
        form: The format.
        columns: ``ROLE=NAME`` of a fixation table.
        frame: Frame of a fixation table.
        geometry: The geometry's file.
        trials: The file of trials.

    Returns:
        The source.

    Raises:
        SettingsError: A file, key or value cannot be used.
        DataError: The geometry cannot be used.
    """
    from gaze_insight.config.overrides import merge, parse_override
    from gaze_insight.gaze.readers.source import read_gaze_source

    values: dict[str, Any] = {}
    for path in files:
        values = merge(values, _from_file(path))
    flags: dict[str, Any] = {"format": form, "trials": trials}
    flags["geometry"] = None if geometry is None else _geometry(geometry)
    values |= {name: value for name, value in flags.items() if value is not None}
    values = merge(values, {"settings": _table_settings(columns, frame, values.get("format"))})
    for text in overrides:
        values = merge(values, parse_override(text, "--gaze-set"))
    return read_gaze_source(values)


def list_settings(settings_type: type[Settings], prefix: str = "") -> list[tuple[str, str, str]]:
    """List the settings of a format, those of nested settings by dotted name.

    Args:
        settings_type: The settings.
        prefix: Put before each name.

    Returns:
        Name, default (or ``(needed)``) and description of each.

    Example:
        >>> from gaze_insight.gaze.view import Rect
        >>> list_settings(Rect)[0]
        ('left', '(needed)', 'horizontal place of the left edge')
    """
    from gaze_insight.types import Settings

    listed: list[tuple[str, str, str]] = []
    for name, field in settings_type.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            listed += list_settings(inner, f"{prefix}{name}.")
            continue
        default = "(needed)" if field.is_required() else _shown(field.get_default(call_default_factory=True))
        listed.append((f"{prefix}{name}", default, field.description or ""))
    return listed


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)


def _from_file(path: Path) -> dict[str, Any]:
    from gaze_insight.gaze.mapping_file import read_mapping

    values = read_mapping(path)
    if isinstance(values.get("trials"), str):
        values["trials"] = path.parent / values["trials"]
    if isinstance(values.get("geometry"), str):
        values["geometry"] = _geometry(path.parent / values["geometry"])
    return values


def _geometry(path: Path) -> Mapping[str, Any]:
    """Check a geometry's file by itself, so that a message names it; then give it as plain values."""
    from gaze_insight.gaze.geometry import read_geometry

    return read_geometry(path).model_dump(mode="json", exclude_unset=True)


def _table_settings(columns: tuple[str, ...], frame: str | None, form: str | None) -> dict[str, Any]:
    from gaze_insight.gaze.readers.fixation_table import FixationColumns

    if not columns and frame is None:
        return {}
    if form not in (None, "fixation_table"):
        raise SettingsError(
            f"--column and --frame are for the format fixation_table, not {form}",
            remedy="use --gaze-set settings.KEY=VALUE; `import formats` lists the keys",
        )
    bare = next((pair for pair in columns if "=" not in pair), None)
    if bare is not None:
        raise SettingsError(f"--column expects ROLE=NAME, found {bare!r}", remedy="such as --column x=FixX")
    values = {role: name for role, _, name in (pair.partition("=") for pair in columns)}
    known = FixationColumns.model_fields
    strange = next((role for role in values if role not in known), None)
    if strange is not None:
        raise SettingsError(f"--column: unknown role {strange!r}", remedy=f"roles: {', '.join(known)}")
    stated: dict[str, Any] = {role: name or None for role, name in values.items()}
    _check_columns(stated)
    return stated if frame is None else stated | {"frame": frame}


def _check_columns(values: Mapping[str, Any]) -> None:
    from pydantic import ValidationError

    from gaze_insight.gaze.readers.fixation_table import FixationColumns

    try:
        FixationColumns.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place, found = ".".join(map(str, first["loc"])), first["input"]
        what = first["msg"].replace("Input should be", "expected")
        raise SettingsError(f"--column {place}: {what}, found {found or ''!r}") from error
