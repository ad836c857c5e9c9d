"""Plants faults in the detectors, one at a time, and counts which of them the fast tests notice.

``python -m tests.mutants [--sample 200] [--seed 1] [FILE…]`` copies the package and its tests to a temporary folder,
changes one operator, number or word there, runs the tests that judge the kinds, and prints what survived. A survivor is
a line that no test watches, or a change that changes nothing; both are worth a look.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
KINDS = ("lasts", "silence", "says", "must_say", "must_not", "procedure", "measure", "surge")
TARGETS = ("talk", "detectors/conditions", *(f"detectors/{kind}" for kind in KINDS))
#: The quick ones first: the first failure ends a run.
TESTS: tuple[str, ...] = (
    "kinds",
    "talk",
    "conditions",
    "kinds_forbidden",
    "kinds_courtesy",
    "kinds_telephony",
    "surge_redelivery",
)
TESTS += ("rules_courtesy", "rules_escalation", "rules_telephony", "timelines")
#: Functions that explain to people, or only spare time; their words are tested elsewhere.
SKIPPED: tuple[str, ...] = (
    "*explain",
    "*account",
    "in_words",
    "*_zh",
    "stirs",
    "phrase_names",
    "clock",
    "by_words",
    "_list",
    "_parts",
)
#: Helpers of the accounts alone.
SKIPPED += ("_anchor", "proof", "stretches", "_stretches", "_threshold", "_worst", "_excess", "_as_of", "_leg_as_of")
#: A mutant that loops is stopped after so many seconds, and counts as noticed.
LIMIT_S = 90

_SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


Steps = tuple[tuple[str, int | None], ...]


class Mutant(NamedTuple):
    """A fault to be planted: where, and the function that changes the node there (None: it does not apply)."""

    file: str
    line: int
    mutate: Callable[[Any], Any]
    path: Steps


def mutants_of(folder: Path, file: str) -> Iterator[Mutant]:
    """Every fault that can be planted in one module of the copy in ``folder``."""
    tree = ast.parse((folder / "streams" / f"{file}.py").read_text("utf-8"))
    for path in _places(tree):
        node = _at(tree, path)
        for mutate in (_swapped, _renamed, _counted, _unnegated, _flipped):
            if mutate(copy.deepcopy(node)):
                yield Mutant(file, node.lineno, mutate, path)


def planted(mutant: Mutant, source: str) -> tuple[str, str]:
    """The whole new source of the module, and what was changed."""
    tree = ast.parse(source)
    node = _at(tree, mutant.path)
    before = ast.unparse(node)
    after = mutant.mutate(node)
    parent, (field, n) = _at(tree, mutant.path[:-1]), mutant.path[-1]
    if n is None:
        setattr(parent, field, after)
    else:
        getattr(parent, field)[n] = after
    return ast.unparse(tree), f"{before}  →  {ast.unparse(after)}"


def _places(node: ast.AST, path: Steps = ()) -> Iterator[Steps]:
    """The paths of all expressions inside functions that judge."""
    for field, value in ast.iter_fields(node):
        if isinstance(node, ast.ClassDef) and field != "body":
            continue
        for n, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_skipped(child):
                continue
            here = (*path, (field, n))
            if isinstance(child, ast.expr):
                yield here
            yield from _places(child, here)


def _is_skipped(node: ast.AST) -> bool:
    """Explanations, texts, types; and of classes ``frozen=True`` and the like, on which no verdict hangs."""
    if isinstance(node, ast.FunctionDef):
        return any(fnmatchcase(node.name, pattern) for pattern in SKIPPED)
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Raise | ast.arguments | ast.AnnAssign)


def _at(tree: ast.AST, path: Steps) -> Any:
    for field, n in path:
        value = getattr(tree, field)
        tree = value if n is None else value[n]
    return tree


def _swapped(node: Any) -> Any:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
        node.ops[0] = _SWAPS[type(node.ops[0])]()
        return node
    if isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in _SWAPS:
        node.op = _SWAPS[type(node.op)]()
        return node
    return None


def _renamed(node: Any) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _NAMES:
        node.func.id = _NAMES[node.func.id]
        return node
    return None


def _counted(node: Any) -> Any:
    is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return ast.Constant(node.value + 1) if is_number else None


def _unnegated(node: Any) -> Any:
    return node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else None


def _flipped(node: Any) -> Any:
    return ast.Constant(not node.value) if isinstance(node, ast.Constant) and isinstance(node.value, bool) else None


def is_noticed(folder: Path, tests: Sequence[str] = TESTS) -> bool:
    """Run the tests of the copy in a fork of this process, which has the libraries loaded. A run without end counts."""
    child = os.fork()
    if child == 0:
        _run(folder, tests)
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _run(folder: Path, names: Sequence[str]) -> None:
    """In the child: the tests of the copy, silently; never returns."""
    import pytest  # noqa: PLC0415 - loaded by the parent already

    os.chdir(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if path and Path(path).resolve() != ROOT)]
    for module in [name for name in sys.modules if name.partition(".")[0] in ("tests", "streams")]:
        del sys.modules[module]  # those of the copy are to be loaded
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    tests = [f"tests/test_{name}.py" for name in names if (folder / f"tests/test_{name}.py").is_file()]
    code = 1
    with contextlib.suppress(BaseException):
        code = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests]))
    os._exit(code)


def main() -> None:
    """Plant a sample of faults and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", default=TARGETS)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for library in ("ahocorasick", "holidays", "hypothesis", "msgspec", "pytest", "yaml"):
        importlib.import_module(library)  # for the forks
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in ("streams", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        found = [mutant for file in asked.files for mutant in mutants_of(folder, file)]
        chosen = random.Random(asked.seed).sample(found, min(asked.sample, len(found)))  # noqa: S311 - no secret
        if is_noticed(folder):
            sys.exit("the tests fail without any planted fault")
        report(folder, chosen, len(found))


def report(folder: Path, chosen: list[Mutant], possible: int) -> None:
    """Plant one after the other; print those that nothing notices."""
    survived = 0
    for n, mutant in enumerate(chosen, 1):
        target = folder / "streams" / f"{mutant.file}.py"
        sound = target.read_text("utf-8")
        source, change = planted(mutant, sound)
        target.write_text(source, "utf-8")
        if not is_noticed(folder):
            survived += 1
            print(f"{n}/{len(chosen)} survived {mutant.file}.py:{mutant.line}: {change}", flush=True)
        target.write_text(sound, "utf-8")
    noticed = len(chosen) - survived
    print(f"{noticed} of {len(chosen)} planted faults noticed ({possible} possible), {survived} survived")


if __name__ == "__main__":
    main()
