"""A suite as one Slurm job array: an element a run, which can be stopped, requeued and gone on with."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gaze_insight.atomic import write_text_atomic
from gaze_insight.benchmark.child import child_command
from gaze_insight.benchmark.planning import PlannedRun
from gaze_insight.errors import GazeInsightError, SettingsError
from gaze_insight.gaze.mapping_file import read_mapping

__all__ = ["SCRIPT_FILE", "slurm_script", "submit"]

SCRIPT_FILE = "slurm.sh"
_OWN = ("array", "output", "error", "requeue", "no-requeue", "open-mode", "chdir", "signal")
_WAIT_SECONDS = 300

_BODY = """
runs=({runs})
name=${{runs[$SLURM_ARRAY_TASK_ID]}}
cd {cwd}
{setup}
mkdir -p {folder}/runs/"$name"
stopped=0
child=
trap 'stopped=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
{command} >>{folder}/runs/"$name"/log.txt 2>&1 &
child=$!
[ "$stopped" = 0 ] || kill -TERM "$child"
code=0
wait "$child" || code=$?
while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
done
if [ "$stopped" = 1 ] && [ "$code" != 0 ] && command -v scontrol >/dev/null; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"""


def slurm_script(
    options: Mapping[str, Any], folder: Path, runs: Sequence[PlannedRun], plugins: Sequence[str] = ()
) -> str:
    """Write the script of a job array.

    Two minutes before its time is up an element is asked to save its state, and puts itself back into the
    queue; one that is requeued after a lost machine goes on from its last saved state.

    Args:
        options: sbatch's long options without their dashes, such as ``{"partition": "gpu"}``; true for a
            flag. Two names are ours: ``setup``, a list of shell lines that come first (modules, a
            virtual environment), and ``at_once``, how many elements may run at the same time.
        folder: The benchmark's folder.
        runs: The runs.
        plugins: The user's modules.

    Returns:
        The script.

    Raises:
        SettingsError: An option is not sbatch's, or is one that the script sets itself.

    Example:
        >>> from gaze_insight.config.run_config import RunConfig
        >>> run = PlannedRun("unet", 0, RunConfig(), Path("all/runs/unet-seed0"))
        >>> print(slurm_script({"time": "01:00:00"}, Path("all"), [run]).splitlines()[2])
        #SBATCH --array=0-0
    """
    given = dict(options)
    setup, at_once = given.pop("setup", []), given.pop("at_once", None)
    if not isinstance(setup, list) or not all(isinstance(line, str) for line in setup):
        raise SettingsError(f"setup: expected a list of shell lines, found {setup!r}")
    if at_once is not None and (not isinstance(at_once, int) or at_once < 1):
        raise SettingsError(f"at_once: expected a number from 1, found {at_once!r}")
    limit = "" if at_once is None else f"%{at_once}"
    lines = [
        f"#SBATCH --array=0-{len(runs) - 1}{limit}",
        f"#SBATCH --output={folder}/slurm/%A_%a.txt",
        "#SBATCH --open-mode=append",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:TERM@120",
        *(_option(str(key), value) for key, value in given.items()),
    ]
    if "job-name" not in {str(key).replace("_", "-") for key in given}:
        lines.insert(0, f"#SBATCH --job-name={re.sub(r'[^A-Za-z0-9_-]', '-', folder.name) or 'benchmark'}")
    quoted = shlex.quote(str(folder))
    words = child_command(folder, "@", plugins, "--wait-s", str(_WAIT_SECONDS), "--record")
    command = " ".join('"$name"' if word == "@" else shlex.quote(word) for word in words)
    body = _BODY.format(
        runs=" ".join(shlex.quote(run.name) for run in runs),
        cwd=shlex.quote(str(Path.cwd())),
        setup="\n".join(setup),
        folder=quoted,
        command=command,
    )
    return "\n".join(["#!/bin/bash", *lines, "set -u", body.strip("\n"), ""])


def submit(
    options_file: Path, folder: Path, runs: Sequence[PlannedRun], plugins: Sequence[str] = ()
) -> tuple[Path, bool]:
    """Write the job array's script into the benchmark's folder and hand it to sbatch, where there is one.

    Args:
        options_file: YAML file of sbatch options.
        folder: The benchmark's folder.
        runs: The runs.
        plugins: The user's modules.

    Returns:
        The script, and whether it was submitted.

    Raises:
        SettingsError: The options do not fit.
        GazeInsightError: sbatch refuses the script.
    """
    try:
        text = slurm_script(read_mapping(options_file), folder, runs, plugins)
    except SettingsError as error:
        raise SettingsError(
            error.message, path=error.path or options_file, row=error.row, remedy=error.remedy
        ) from error
    script = folder / SCRIPT_FILE
    (folder / "slurm").mkdir(parents=True, exist_ok=True)
    write_text_atomic(script, text)
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        return script, False
    done = subprocess.run([sbatch, str(script)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise GazeInsightError(
            f"sbatch refused the script: {(done.stderr or done.stdout).strip() or done.returncode}",
            path=script,
            remedy=f"change the options in {options_file}",
        )
    return script, True


def _option(key: str, value: Any) -> str:
    name = key.replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise SettingsError(f"expected the name of an sbatch option, such as partition, found {key!r}")
    if name in _OWN:
        raise SettingsError(
            f"the option {key!r} is set by the script itself",
            remedy=f"leave it away; the script sets {', '.join(_OWN)}",
        )
    if value is True:
        return f"#SBATCH --{name}"
    text = str(value)
    if isinstance(value, (dict, list)) or value is None or value is False or "\n" in text:
        raise SettingsError(f"{key}: expected a text, a number or true, found {value!r}")
    return f"#SBATCH --{name}={shlex.quote(text)}"
