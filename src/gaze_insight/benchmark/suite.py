"""A suite: the rows of a table, what each is run with, and what was reported for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from gaze_insight.atomic import write_text_atomic
from gaze_insight.config.layers import Task
from gaze_insight.config.loading import list_presets, to_yaml
from gaze_insight.errors import SettingsError
from gaze_insight.gaze.mapping_file import explain, read_mapping
from gaze_insight.types import Settings

__all__ = [
    "ReportedKey",
    "Suite",
    "SuiteRow",
    "SuiteScale",
    "Supervision",
    "list_suites",
    "load_suite",
    "nearest",
    "save_suite",
]

Supervision = Literal["full", "gaze", "box", "point", "scribble", "labels", "labels and gaze"]
ReportedKey = Literal[
    "dice", "dice_sd", "iou", "iou_sd", "hd95_px", "hd95_px_sd", "asd_px", "asd_px_sd", "hours"
]
"""What a paper's table may say of a row; Dice and IoU are fractions, hours are annotation time."""

_Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_SHARES = ("dice", "dice_sd", "iou", "iou_sd")
_OF_SEGMENTATION = ("of", "made_by", "curve", "reported", "output")


class SuiteScale(Settings):
    """What every row of a suite shares at one scale, such as the paper's or that of two CPU cores."""

    presets: tuple[str, ...] = Field((), description="presets, before those of the row")
    set: tuple[str, ...] = Field((), description="dotted.key=value, after all presets and before the row's")


class SuiteRow(Settings):
    """One row of the table.

    Example:
        >>> SuiteRow(label="U-Net", supervision="full", presets=("unet_masks",)).output
        'student'
    """

    label: str = Field(min_length=1, description="how the table names it")
    supervision: Supervision = Field(description="what the labels cost a person")
    presets: tuple[str, ...] = Field((), description="presets, after those of the scale")
    set: tuple[str, ...] = Field((), description="dotted.key=value; wins over the scale's")
    set_at: dict[_Key, tuple[str, ...]] = Field(
        default_factory=dict, description="dotted.key=value for one scale alone; wins over `set`"
    )
    output: str = Field("student", description="the head of cases.csv that the row shows")
    of: str | None = Field(None, description="another row whose runs are used, to show another output")
    made_by: str | None = Field(
        None,
        description="the command that makes the row's run folders in another way, such as the nnU-Net "
        "adapter; the suite does not run it, and tabulates what it finds",
    )
    reported: dict[ReportedKey, float] = Field(
        default_factory=dict, description="the paper's own figures; Dice and IoU are fractions"
    )
    note: str | None = Field(None, description="what a reader should know about the row")
    curve: str | None = Field(
        None,
        min_length=1,
        description="the curve that the row is a point of, over images learned from and over seconds of "
        "annotation",
    )


class Suite(Settings):
    """A table to be made: its rows, scales and seeds.

    A run is composed of the scale's presets, the row's presets, the scale's ``set``, the row's ``set`` and
    ``set_at``, the command's ``--set``, and last its seed and the protocol.

    Example:
        >>> row = SuiteRow(label="U-Net", supervision="gaze")
        >>> suite = Suite(name="mine", title="Mine", scales={"cpu": SuiteScale()}, default_scale="cpu",
        ...               reference="unet", rows={"unet": row})
        >>> suite.seeds
        (0, 1, 2)
    """

    name: _Key = Field(description="the suite's name")
    title: str = Field(min_length=1)
    task: Task = Field("segmentation", description="what its runs are about, and so what its tables compare")
    paper: str | None = Field(None, description="the published table it makes again")
    scales: dict[_Key, SuiteScale] = Field(min_length=1)
    default_scale: str
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 1, 2), min_length=1)
    reference: str = Field(description="the row with which the others are compared")
    protocol: Literal["honest", "paper"] = Field(
        "honest", description="weights chosen without the test set, or the best of some evaluations on it"
    )
    test_evaluations: int = Field(15, ge=2, description="evaluations on the test set under protocol 'paper'")
    rows: dict[_Key, SuiteRow] = Field(min_length=1)
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Suite:
        _require("default_scale", self.default_scale, self.scales, "scale")
        _require("reference", self.reference, self.rows, "row")
        if len(set(self.seeds)) < len(self.seeds):
            raise SettingsError(f"seeds: expected each seed once, found {list(self.seeds)}")
        self.check_task()
        for name, scale in self.scales.items():
            _check_presets(f"scales.{name}.presets", scale.presets)
        for name, row in self.rows.items():
            self._check_row(f"rows.{name}", row)
        self._check_curves()
        return self

    def check_task(self) -> None:
        """Check that the suite asks for nothing that its task does not have.

        Chest radiographs know the honest protocol alone, and each of their rows shows its own runs.

        Raises:
            SettingsError: It does; the place is named.
        """
        if self.task != "chest_xray":
            return
        if self.protocol != "honest":
            raise SettingsError(
                f"protocol: expected 'honest', all that chest radiographs know, found {self.protocol!r}",
                remedy="leave protocol out; their test set is scored once, after training",
            )
        for name, row in self.rows.items():
            for key in _OF_SEGMENTATION:
                if getattr(row, key) != SuiteRow.model_fields[key].get_default(call_default_factory=True):
                    raise SettingsError(
                        f"rows.{name}.{key}: expected none in a suite on chest radiographs, found "
                        f"{getattr(row, key)!r}",
                        remedy="leave it out; each row shows the classifier of its own runs",
                    )

    def _check_curves(self) -> None:
        first: dict[str, str] = {}
        for name, row in self.rows.items():
            if row.curve is None:
                continue
            other = self.rows[first.setdefault(row.curve, name)]
            if other.supervision != row.supervision:
                raise SettingsError(
                    f"rows.{name}.curve: expected supervision {other.supervision!r}, that of row "
                    f"{first[row.curve]!r} on the same curve, found {row.supervision!r}",
                    remedy="give each kind of annotation a curve of its own",
                )

    def _check_row(self, place: str, row: SuiteRow) -> None:
        _check_presets(f"{place}.presets", row.presets)
        for scale in row.set_at:
            _require(f"{place}.set_at", scale, self.scales, "scale")
        for key, found in row.reported.items():
            if key in _SHARES and not 0 <= found <= 1:
                raise SettingsError(f"{place}.reported.{key}: expected a fraction in [0, 1], found {found}")
        if row.of is None:
            return
        _require(f"{place}.of", row.of, self.rows, "row")
        if row.presets or row.set or row.set_at or row.made_by:
            raise SettingsError(
                f"{place}: a row with 'of' shows the runs of another row; expected no presets, set, set_at "
                "or made_by"
            )
        if self.rows[row.of].of is not None:
            raise SettingsError(
                f"{place}.of: expected a row with runs of its own, found {row.of!r}, which shows those of "
                f"{self.rows[row.of].of!r}"
            )

    def runs_of(self, row: str) -> str:
        """Name the row whose run folders a row shows.

        Args:
            row: The row's key.

        Returns:
            The key that begins the folders' names: the row's own, or that of ``of``.
        """
        return self.rows[row].of or row


def list_suites() -> dict[str, str]:
    """List the suites that come with the package.

    Returns:
        Name to the first comment line of the file.

    Example:
        >>> "kvasir_table1" in list_suites()
        True
    """
    folder = files("gaze_insight.benchmark") / "suites"
    return {
        Path(entry.name).stem: entry.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def load_suite(name_or_path: str | Path) -> Suite:
    """Load a suite of the package by its name, or one of your own from a YAML file.

    Args:
        name_or_path: A name that :func:`list_suites` gives, or a path that ends in ``.yaml`` or ``.yml``.

    Returns:
        The suite; its presets, references and reported figures are checked. What a row composes to is checked
        by :func:`gaze_insight.benchmark.planning.plan_runs`.

    Raises:
        SettingsError: There is no such suite, or it does not fit; the file and the place in it are named.

    Example:
        >>> load_suite("kvasir_table7").rows["without_darm"].reported["dice"]
        0.7621
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        return _parse(path, path)
    known = list_suites()
    if str(name_or_path) not in known:
        raise SettingsError(
            f"unknown suite {str(name_or_path)!r}; known: {', '.join(known)}",
            remedy=nearest(str(name_or_path), known) or "a suite of your own is a path that ends in .yaml",
        )
    file = f"{name_or_path}.yaml"
    with as_file(files("gaze_insight.benchmark") / "suites" / file) as found:
        return _parse(found, Path("suites") / file)


def save_suite(suite: Suite, path: Path) -> None:
    """Write a suite as YAML, which :func:`load_suite` reads back to an equal one.

    Args:
        suite: The suite.
        path: The file.
    """
    write_text_atomic(path, to_yaml(suite))


def nearest(name: str, known: Collection[str]) -> str | None:
    """Suggest the known name that a wrong one most resembles.

    Args:
        name: What was given.
        known: What there is.

    Returns:
        A question for the user; None where nothing is near.

    Example:
        >>> nearest("fig", ["fgi", "unet"])
        "did you mean 'fgi'?"
    """
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def _parse(path: Path, shown: Path) -> Suite:
    try:
        return Suite.model_validate(read_mapping(path))
    except ValidationError as error:
        message, remedy = _unknown_figure(error) or explain(error, Suite)
        raise SettingsError(message, path=shown, remedy=remedy) from error
    except SettingsError as error:
        raise SettingsError(error.message, path=shown, row=error.row, remedy=error.remedy) from error


def _unknown_figure(error: ValidationError) -> tuple[str, str | None] | None:
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"] if part != "[key]"]
    if "reported" not in keys or first["type"] != "literal_error":
        return None
    known = get_args(ReportedKey)
    return f"unknown figure {'.'.join(keys)!r}", nearest(keys[-1], known) or f"known: {', '.join(known)}"


def _check_presets(place: str, presets: Sequence[str]) -> None:
    known = list_presets()
    for name in presets:
        if name not in known:
            raise SettingsError(
                f"{place}: unknown preset {name!r}",
                remedy=nearest(name, known) or f"known: {', '.join(known)}",
            )


def _require(place: str, name: str, known: dict[str, Any], kind: str) -> None:
    if name not in known:
        raise SettingsError(
            f"{place}: there is no {kind} {name!r}",
            remedy=nearest(name, known) or f"known: {', '.join(known)}",
        )
