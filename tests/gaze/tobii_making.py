"""Writes Tobii Pro Lab exports sample by sample."""

from __future__ import annotations

from pathlib import Path

STEP = 10


class Export:
    """Builds an export row by row; a sample every 10 ms."""

    def __init__(self, style: str = "new", system: str = "MCSnorm") -> None:
        unit = {"MCSnorm": "MCS norm", "MCSpx": "MCS px", "DACSpx": "DACS px", "": ""}[system]
        bracket = (
            (lambda name, new, old: f"{name} [{new}]")
            if style == "new"
            else (lambda name, new, old: f"{name} ({old})" if old else name)
        )
        point = (lambda name: bracket(name, unit, system)) if system else (lambda name: name)
        self.time_scale = 1000 if style == "new" else 1
        self.names = {
            "time": "Recording timestamp [μs]" if style == "new" else "Recording timestamp",
            "sensor": "Sensor",
            "participant": "Participant name",
            "recording": "Recording name",
            "image": "Presented Stimulus name" if style == "new" else "Presented Media name",
            "kind": "Eye movement type",
            "duration": "Eye movement event duration [ms]" if style == "new" else "Gaze event duration",
            "index": "Eye movement type index",
            "x": point("Fixation point X"),
            "y": point("Fixation point Y"),
            "gx": point("Gaze point X"),
            "gy": point("Gaze point Y"),
            "left": "Validity left",
            "right": "Validity right",
        }
        self.rows: list[dict[str, object]] = []
        self.t = 0
        self.index = 0

    def row(self, **cells: object) -> Export:
        at = {
            "time": self.t * self.time_scale,
            "sensor": "Eye Tracker",
            "participant": "P1",
            "recording": "R1",
        }
        self.rows.append(at | {"left": "Valid", "right": "Valid"} | cells)
        self.t += STEP
        return self

    def fix(self, image: str, x: float, y: float, ms: int = 200, **more: object) -> Export:
        self.index += 1
        for _ in range(ms // STEP):
            self.row(
                image=image, kind="Fixation", duration=ms, index=self.index, x=x, y=y, gx=x, gy=y, **more
            )
        return self

    def lost(self, image: str, count: int = 5) -> Export:
        for _ in range(count):
            self.row(image=image, kind="EyesNotFound", left="Invalid", right="Invalid")
        return self

    def save(
        self, folder: Path, *, decimal: str = ".", encoding: str = "utf-8", without: tuple[str, ...] = ()
    ):
        keys = [key for key in self.names if key not in without]
        text = ["\t".join(self.names[key] for key in keys)]
        for row in self.rows:
            cells = [row.get(key, "") for key in keys]
            text.append(
                "\t".join(str(c).replace(".", decimal) if isinstance(c, float) else str(c) for c in cells)
            )
        file = folder / "export.tsv"
        file.write_text("\n".join(text) + "\n", encoding=encoding)
        return file


def simple(style: str = "new", system: str = "MCSnorm") -> Export:
    export = Export(style, system)
    export.fix("", 0.9, 0.9).fix("a.png", 0.5, 0.25).lost("a.png").fix("a.png", 0.25, 0.5, 100)
    return export.fix("b.png", 0.75, 0.5, 300)
