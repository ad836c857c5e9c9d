"""Whether what is written has the form of a kind: known fields, right values, and where words and conditions stand.

Works on the raw mapping beside the types of the kind, so that one fault hides no other. Owns form; knows nothing of
files and lines: a place is a path of keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Struct, inspect

from streams.detectors.conditions import Condition, Words
from streams.detectors.units import decode
from streams.rulebook.reading import nearest

Path = list[Any]


class Misfit(NamedTuple):
    """What is wrong at ``path``, and the mend."""

    path: Path
    problem: str
    mend: str = ""


class Place(NamedTuple):
    """A value as written, and the type that it should have."""

    path: Path
    raw: Any
    shape: inspect.Type


@lru_cache(maxsize=256)
def shape_of(kind: Any) -> inspect.Type:
    """What msgspec knows of a type."""
    return inspect.type_info(kind)


@lru_cache(maxsize=256)
def _fields(kind: type[Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def stripped(raw: Any, shape: inspect.Type, path: Path, strangers: list[Misfit]) -> Any:
    """``raw`` without the fields that ``shape`` does not know, at any depth; those go to ``strangers``."""
    shape = _option(raw, shape)
    if isinstance(shape, inspect.VarTupleType) and isinstance(raw, list):
        return [stripped(item, shape.item_type, [*path, n], strangers) for n, item in enumerate(raw)]
    if not isinstance(shape, inspect.StructType) or not isinstance(raw, dict):
        return raw
    shapes = {field.encode_name: field.type for field in shape.fields}
    names = {*shapes, shape.tag_field} - {None}
    for key in (key for key in raw if key not in names):
        strangers.append(Misfit([*path, key], f"unknown field {key!r}", nearest(str(key), map(str, names))))
    kept = {key: value for key, value in raw.items() if key in names}
    return {k: stripped(v, shapes[k], [*path, k], strangers) if k in shapes else v for k, v in kept.items()}


def places(raw: Any, shape: inspect.Type, path: Path) -> Iterator[Place]:
    """Every value in ``raw`` that is a list or mapping, with its type, from the outside in."""
    yield Place(path, raw, shape)
    fits = _option(raw, shape)
    if isinstance(fits, inspect.VarTupleType) and isinstance(raw, list):
        for n, item in enumerate(raw):
            yield from places(item, fits.item_type, [*path, n])
    elif isinstance(fits, inspect.StructType) and isinstance(raw, dict):
        for field in fits.fields:
            if field.encode_name in raw:
                yield from places(raw[field.encode_name], field.type, [*path, field.encode_name])


def words_in(found: Iterable[Place]) -> Iterator[tuple[Path, str]]:
    """Each phrase set or phrase that is named, with its place."""
    for place in found:
        if not _is_words(place.shape):
            continue
        lists = {"": place.raw} if isinstance(place.raw, list) else place.raw if isinstance(place.raw, dict) else {}
        for key, names in lists.items():
            if key in ("", "any", "all", "none") and isinstance(names, list):
                yield from (([*place.path, *([key] * bool(key)), n], x) for n, x in enumerate(names) if _is_text(x))


def conditions_in(found: Iterable[Place]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each condition as written, with its place."""
    for path, raw, shape in found:
        fits = _option(raw, shape)
        if isinstance(fits, inspect.StructType) and fits.cls is Condition and isinstance(raw, dict):
            yield path, raw


def misfits(raw: Any, kind: Any) -> Iterator[Misfit]:
    """Everything in ``raw`` that is not as ``kind`` wants it; msgspec stops at the first."""
    found = False
    kind = _alternative(raw, kind)
    if isinstance(raw, dict) and isinstance(kind, type) and issubclass(kind, Struct):
        for field in _fields(kind):
            name = field.encode_name
            if name in raw:
                inner = [misfit._replace(path=[name, *misfit.path]) for misfit in misfits(raw[name], field.type)]
            else:
                missing = Misfit([], f"Object missing required field `{name}`", _MISSING.get(name, ""))
                inner = [missing] * field.required
            found = found or bool(inner)
            yield from inner
    elif isinstance(raw, list) and get_origin(kind) is tuple:
        for n, item in enumerate(raw):
            for misfit in misfits(item, get_args(kind)[0]):
                found = True
                yield misfit._replace(path=[n, *misfit.path])
    if not found:
        yield from _misfit(raw, kind)


_IN_QUOTES = 'a number that is a name stands in quotes, like "000"'
_MISSING = {"clause": 'each rule cites one: clause: {manual: "000", section: …, quote: …}'}


def _misfit(raw: Any, kind: Any) -> Iterator[Misfit]:
    """What msgspec says of ``raw`` as a whole, all its parts being right."""
    try:
        msgspec.convert(raw, kind, dec_hook=decode)
    except msgspec.ValidationError as error:
        problem, path = split(str(error))
        if not path and isinstance(raw, dict) and problem.split()[0].rstrip(":") in raw:
            path = [problem.split()[0].rstrip(":")]  # a type's own check begins with the field's name
        yield Misfit(path, problem, _IN_QUOTES if problem == "Expected `str`, got `int`" else _choices(kind))


def _choices(kind: Any) -> str:
    """What may stand there where that is a closed set of words."""
    shape = shape_of(kind)
    options = shape.types if isinstance(shape, inspect.UnionType) else (shape,)
    words = next((t.values for t in options if isinstance(t, inspect.LiteralType)), ())
    return f"one of {', '.join(map(str, words))}" if words else ""


def split(error: str) -> tuple[str, Path]:
    """Split msgspec's ``problem - at `$.thresholds[0].after```."""
    problem, _, where = error.partition(" - at `$")
    keys = where.rstrip("`").replace("[", ".").replace("]", "").strip(".").split(".")
    return problem, [int(k) if k.isdigit() else k for k in keys if k and k != "..."]


def _option(raw: Any, shape: inspect.Type) -> inspect.Type:
    """Of several alternatives the one that is meant: a mapping is a struct, a list a tuple."""
    if not isinstance(shape, inspect.UnionType):
        return shape
    wanted = inspect.VarTupleType if isinstance(raw, list) else inspect.StructType
    return next((option for option in shape.types if isinstance(option, wanted)), shape)


def _alternative(raw: Any, kind: Any) -> Any:
    """The same for an annotation."""
    if not (isinstance(kind, UnionType) or get_origin(kind) is Union):
        return kind
    options = get_args(kind)
    if isinstance(raw, list):
        return next((o for o in options if get_origin(o) is tuple), kind)
    if isinstance(raw, dict):
        return next((o for o in options if isinstance(o, type) and issubclass(o, Struct)), kind)
    return kind


def _is_words(shape: inspect.Type) -> bool:
    return isinstance(shape, inspect.UnionType) and any(
        isinstance(option, inspect.StructType) and option.cls is Words for option in shape.types
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
