"""Writes EyeLink .asc recordings line by line."""

from __future__ import annotations

from pathlib import Path


def asc(folder: Path, *lines: str, name: str = "s1.asc", eyes: str = "LEFT", kind: str = "GAZE") -> Path:
    """Write a recording from 1000 to 5000 ms around these lines."""
    file = folder / name
    head = (
        "** CONVERTED FROM s1.edf",
        "MSG\t900 DISPLAY_COORDS 0 0 999 499",
        f"START\t1000\t{eyes}\tSAMPLES\tEVENTS",
        f"EVENTS\t{kind}\t{eyes}\tRATE\t1000.00\tTRACKING\tCR",
    )
    file.write_text("\n".join([*head, *lines, "END\t5000\tSAMPLES\tEVENTS\tRES\t1\t1", ""]))
    return file


def fixation(start: float, end: float, x: float, y: float, eye: str = "L") -> str:
    return f"EFIX {eye}   {start}\t{end}\t{end - start + 1}\t  {x}\t  {y}\t   900"


def trial(number: int, start: int, end: int, *within: str) -> list[str]:
    return [f"MSG\t{start} TRIALID {number}", *within, f"MSG\t{end} TRIAL_RESULT 0"]


def samples(start: int, count: int, x: float, y: float = 250.0) -> list[str]:
    return [f"{start + i}\t  {x + (i % 2) / 10}\t  {y}\t 900.0\t..." for i in range(count)]


def samples_of_both(start: int, count: int) -> list[str]:
    return [f"{start + i}\t 10.0\t 20.0\t 9.0\t 30.0\t 40.0\t 9.0\t....." for i in range(count)]
