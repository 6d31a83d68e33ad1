"""The package as a whole: how fast it starts, who imports whom, and what its sources must not hold."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gaze_insight

SOURCE = Path(gaze_insight.__file__).parent
ROOMS = (
    "gaze", "pseudomask", "language", "cohort", "networks", "losses", "methods", "training",
    "inference", "evaluation", "chest", "insight", "config", "workflow", "benchmark", "cli",
)  # fmt: skip
EVERYWHERE = {"atomic", "errors", "registry", "retry_after", "types"}
ALONE = {"networks", "losses"}
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = ("torch", "numpy", "scipy", "pydantic", "PIL", "cv2", "kornia", "matplotlib", "transformers")


def seconds(code: list[str], repeats: int = 3) -> float:
    """Processor time of a child, the best of some: the clock on the wall also measures the neighbours."""
    best = float("inf")
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *code], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, at_module_level: bool = False) -> Iterator[str]:
    """Modules of the package that a file imports; those under TYPE_CHECKING only with the deferred ones."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _run_on_import(tree.body) if at_module_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _run_on_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        yield node
        inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
        yield from _run_on_import(inner)


MODULES = {module_of(path): path for path in FILES}


def test_the_package_is_imported_in_under_300_ms_and_brings_nothing_heavy():
    found = subprocess.run(
        [sys.executable, "-c", f"import gaze_insight, sys; print([m for m in {HEAVY} if m in sys.modules])"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert found.stdout.strip() == "[]"
    assert seconds(["-c", "import gaze_insight"]) - seconds(["-c", "pass"]) < 0.3


def test_help_is_there_in_under_700_ms_without_torch():
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gaze_insight.cli.app", "--help"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}
    assert not loaded & {"torch", "numpy", "matplotlib", "transformers", "pydantic", "PIL"}
    assert "import" in found.stdout
    assert seconds(["-m", "gaze_insight.cli.app", "--help"]) < 0.7


@pytest.mark.parametrize("name", gaze_insight.__all__)
def test_every_public_name_is_there(name):
    assert getattr(gaze_insight, name) is not None


def test_the_public_names_are_listed_and_others_refused():
    assert sorted(dir(gaze_insight)) == sorted(gaze_insight.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Cohrot'"):
        gaze_insight.Cohrot  # noqa: B018


def test_the_rooms_are_those_of_the_design():
    assert {path.parent.name for path in SOURCE.glob("*/__init__.py")} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_those_above_it(room):
    allowed = EVERYWHERE | {room} | (ALONE if room in ALONE else set(ROOMS[: ROOMS.index(room)]))
    if room == "cli":
        allowed |= {"__version__"}
    wrong = []
    for path in sorted((SOURCE / room).rglob("*.py")):
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "gaze_insight" and len(parts) > 1 and parts[1] not in allowed:
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not wrong


@pytest.mark.parametrize("name", sorted(EVERYWHERE))
def test_the_small_files_import_nothing_above_them(name):
    found = {one.split(".")[1] for one in imports(SOURCE / f"{name}.py") if one.startswith("gaze_insight.")}
    assert found <= {"errors"}


def test_no_module_imports_itself_in_a_circle():
    graph = {
        module: {name for name in imports(path, at_module_level=True) if name in MODULES} - {"gaze_insight"}
        for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above[above.index(module) :], module))
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_source_file_does_not_print_assert_or_swallow(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"assert in line {node.lineno}"
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
        assert called != "print", f"print in line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            last = node.body[-1]
            cleans_up = bool(caught) and isinstance(last, ast.Raise) and last.exc is None
            wide = caught in ("", "Exception", "BaseException")
            assert cleans_up or not wide, f"except in line {node.lineno}"
    assert ast.get_docstring(tree), "no docstring"
    assert len(text.splitlines()) < 400
    exports = [n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"]
    assert exports or path.name == "__init__.py"


def test_no_file_is_named_for_nothing():
    assert not {path.stem for path in FILES} & {"utils", "helpers", "common", "misc"}


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name != "__init__.py"])
def test_a_module_exports_what_it_says(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    listed = next(
        ast.literal_eval(n.value) for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"
    )  # fmt: skip
    defined: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {ast.unparse(target) for target in targets}
        elif isinstance(node, ast.ImportFrom):
            defined |= {alias.asname or alias.name for alias in node.names}
    assert set(listed) <= defined
