"""What is said of a fault in the settings: which one, where it stands, and the mend.

Knows pydantic's faults and the shape of the models that it is given, and no setting by name. Values are repeated only
where they can be no secret: one that is none of a few known words, a list's text.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
#: What members of a list are called by, the best first.
_OWN_NAMES = ("name", "login")
#: The longest own name that is repeated, characters.
_LONGEST = 40

Path = tuple[int | str, ...]
#: What was written at a path, whatever it is; None: nothing.
Given = Callable[[Path], Any]


def texts(faults: Sequence[ErrorDetails], root: type[BaseModel], given: Given) -> Iterator[tuple[Path, str]]:
    """The path and the text (``NAME: PROBLEM, MEND``) of each fault; what only follows from another is left out."""
    wrong = [fault["loc"] for fault in faults]
    for fault in faults:
        path = fault["loc"]
        if fault["type"] == "too_short" and any(path == other[: len(path)] != other for other in wrong):
            continue  # what is wrong in the list was taken out before it was counted
        name, problem = where(path, given), _problem(fault, root)
        own = problem.removeprefix(f"{name}: ")
        yield path, own if own.startswith(f"{name}.") else f"{name}: {own}"


def where(path: Path, given: Given) -> str:
    """``pager.receivers "lead", url``; of a member without a name ``pager.receivers, the first, url``."""
    said, is_within = "", False
    for depth, part in enumerate(path):
        if isinstance(part, int):
            name = _own_name(given(path[: depth + 1]))
            said, is_within = said + (f" {name}" if name else f", {ordinal(part)}"), True
        else:
            said += (", " if is_within else "." if said else "") + part
            is_within = False
    return said


def ordinal(index: int) -> str:
    """Of 0 ``the first``."""
    return f"the {_ORDINALS[index]}" if index < len(_ORDINALS) else f"number {index + 1}"


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean NAME?``, where one is near; else empty."""
    near = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def annotation_at(root: type[BaseModel], path: Iterable[int | str]) -> Any:
    """The type of the setting at ``path``; None: there is none."""
    found: Any = root
    for part in path:
        found = _inner(found, part)
    return found


def is_json(annotation: Any) -> bool:
    """Whether a variable has it as JSON."""
    return _model(annotation) is not None or get_origin(annotation) in (tuple, list, dict)


def _inner(annotation: Any, part: int | str) -> Any:
    if (model := _model(annotation)) is not None:
        field = model.model_fields.get(str(part))
        return field.annotation if field else None
    arguments = get_args(annotation)
    return arguments[get_origin(annotation) is dict] if is_json(annotation) else None


def _model(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next((one for one in get_args(annotation) if one is not type(None)), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _own_name(member: Any) -> str:
    if not isinstance(member, Mapping):
        return ""
    names = (member.get(key) for key in _OWN_NAMES)
    name = next((name for name in names if isinstance(name, str) and name.strip()), "")
    return json.dumps(name[:_LONGEST], ensure_ascii=False) if name else ""


# ------------------------------------------------------------------------------------------- problem and mend


def _problem(fault: ErrorDetails, root: type[BaseModel]) -> str:
    path, written = fault["loc"], fault["input"]
    match fault["type"]:
        case "extra_forbidden":
            return _unknown(str(path[-1]), annotation_at(root, path[:-1]))
        case "missing":
            return f"missing, and it has no default; write {_example(root, path)}"
        case "literal_error":
            return _no_such_word(written, annotation_at(root, path))
        case "tuple_type" | "list_type":
            return _no_list(written, annotation_at(root, path), path)
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"it is a table of settings; write them under {_heading(path)}"
    return fault["msg"].removeprefix("Value error, ")


def _unknown(name: str, section: Any) -> str:
    model = _model(section)
    known = list(model.model_fields) if model else []
    return " ".join(filter(None, ("no such setting;", nearest(name, known), f"known here: {', '.join(known)}")))


def _example(root: type[BaseModel], path: Path) -> str:
    model, name = _model(annotation_at(root, path[:-1])), str(path[-1])
    examples = model.model_fields[name].examples if model and name in model.model_fields else None
    return f"{name} = {json.dumps(examples[0]) if examples else '…'}"


def _no_such_word(written: Any, annotation: Any) -> str:
    if get_origin(annotation) is not Literal:  # pragma: no cover - pydantic says so of nothing else
        return "it is none of the known words"
    known = [str(word) for word in get_args(annotation)]
    near = nearest(written, known) if isinstance(written, str) else ""
    return " ".join(filter(None, (f"{str(written)[:_LONGEST]!r} is unknown;", near, f"known: {', '.join(known)}")))


def _no_list(written: Any, annotation: Any, path: Path) -> str:
    if _model(next(iter(get_args(annotation)), None)):
        return f"there may be several, so each stands under {_heading((*path, 0))}"
    example = json.dumps([written] if isinstance(written, str) else ["…"], ensure_ascii=False)
    return f"it is a list; write {path[-1]} = {example}"


def _heading(path: Path) -> str:
    """What TOML has above that table."""
    name = ".".join(str(part) for part in path if isinstance(part, str))
    return f"[[{name}]]" if isinstance(path[-1], int) else f"[{name}]"
