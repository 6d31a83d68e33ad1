"""The folder of a run: its files by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gaze_insight.atomic import write_text_atomic
from gaze_insight.config.layers import Task
from gaze_insight.config.loading import load_config, to_yaml
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import DataError
from gaze_insight.training.loop import LAST_WEIGHTS_FILE, STATE_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from gaze_insight.config.chest_config import ChestConfig

__all__ = ["RunFolder"]


class RunFolder:
    """The files of one run.

    Args:
        path: The folder; it need not exist yet.

    Example:
        >>> RunFolder(Path("runs/a")).cases_csv.as_posix()
        'runs/a/cases.csv'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_yaml = path / "config.yaml"
        self.plan_json = path / "plan.json"
        self.environment_json = path / "environment.json"
        self.history_jsonl = path / "history.jsonl"
        self.weights = path / WEIGHTS_FILE
        self.last_weights = path / LAST_WEIGHTS_FILE
        self.selection_json = path / "selection.json"
        self.rounds = path / "rounds"
        self.predictions = path / "predictions"
        self.cases_csv = path / "cases.csv"
        self.cases_last_csv = path / "cases_last.csv"
        self.summary_json = path / "summary.json"
        self.calibration_json = path / "calibration.json"
        self.vocabulary_json = path / "vocabulary.json"
        self.report_html = path / "report.html"

    def has_begun(self) -> bool:
        """Tell whether training has left something to go on with: a state or weights, or those of a round.

        Example:
            >>> RunFolder(Path("nowhere")).has_begun()
            False
        """
        places = (self.path, *self.rounds.glob("*/fold-*"))
        return any((place / name).exists() for place in places for name in (STATE_FILE, WEIGHTS_FILE))

    def task(self) -> Task:
        """Say what the run is about.

        Returns:
            ``segmentation`` or ``chest_xray``.

        Raises:
            DataError: The folder holds no run.
        """
        from gaze_insight.config.tasks import task_of_file

        return task_of_file(self._found_config())

    def config(self) -> RunConfig:
        """Read the configuration of a run that segments.

        Raises:
            DataError: There is none.
            SettingsError: It is a run on chest radiographs.
        """
        return load_config(self._found_config())

    def chest_config(self) -> ChestConfig:
        """Read the configuration of a run on chest radiographs.

        Raises:
            DataError: There is none.
            SettingsError: It is a run that segments.
        """
        from gaze_insight.config.tasks import load_chest_config

        return load_chest_config(self._found_config())

    def _found_config(self) -> Path:
        if not self.config_yaml.exists():
            raise DataError(
                "expected the folder of a run, found no config.yaml there",
                path=self.path,
                remedy="train first: gaze-insight train COHORT",
            )
        return self.config_yaml

    def plan(self) -> dict[str, Any]:
        """Read what was derived from the data: the cohort, the words' width, the splits' sizes."""
        return self.read_json(self.plan_json)

    def write_config(self, config: BaseModel) -> None:
        """Save the resolved configuration.

        Args:
            config: The configuration.
        """
        write_text_atomic(self.config_yaml, to_yaml(config))

    def read_json(self, path: Path) -> dict[str, Any]:
        """Read one of the run's JSON files.

        Args:
            path: The file.

        Returns:
            Its content.

        Raises:
            DataError: It is missing or damaged.
        """
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            verb = "evaluate" if path == self.summary_json else "train --resume"
            raise DataError(
                "expected a file that this run should have by now, found none",
                path=path,
                remedy=f"make it with: gaze-insight {verb} {self.path}",
            ) from error
        except (OSError, ValueError) as error:
            raise DataError(f"the file cannot be read ({error})", path=path) from error
        return content

    def evaluation(self, cohort: str | None = None, split: str | None = "test") -> Path:
        """Say where the scores of a split lie; the run's own test set lies in the run's folder itself.

        Args:
            cohort: Name of another cohort; None for the run's own.
            split: The split; None for all cases.

        Returns:
            The folder.

        Example:
            >>> RunFolder(Path("a")).evaluation("elsewhere", None).as_posix()
            'a/evaluations/elsewhere-all'
        """
        if cohort is None and split == "test":
            return self.path
        return self.path / "evaluations" / f"{cohort or 'own'}-{split or 'all'}"

    def write_json(self, path: Path, content: dict[str, Any]) -> None:
        """Save one of the run's JSON files.

        Args:
            path: The file.
            content: Plain values.
        """
        write_text_atomic(path, json.dumps(content, indent=2) + "\n")
