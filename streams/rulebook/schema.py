"""The JSON Schema of a rulebook file, for editors: made from the same types that the loader reads.

It says what one file can say wrong by itself; what takes the whole book (names, quotes, timelines) is said by
`sansheng rules check`. Descriptions are the types' docstrings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from msgspec import Struct, inspect

from streams.days import Hours
from streams.detectors import KINDS
from streams.detectors.base import Rule
from streams.detectors.units import Duration
from streams.phrases.match import Nearness, PhraseSet
from streams.rulebook.sources import Manual

Schema = dict[str, Any]

DURATION = {
    "type": "string",
    "pattern": r"^\s*\d+(\.\d+)?\s*(s|min|h|秒|分钟|小时)\s*$",
    "description": "A length of time with its unit: 10 s, 2 min, 1.5 h.",
    "examples": ["10 s", "2 min", "1.5 h"],
}
HOURS = {
    "type": "string",
    "pattern": r"^\s*([01]?\d|2[0-4]):[0-5]\d\s*-\s*([01]?\d|2[0-4]):[0-5]\d\s*$",
    "description": "From a time of day to before another; the other way round it goes over midnight.",
    "examples": ["09:00-18:00", "22:00-06:00"],
}
_CUSTOM = {Duration: DURATION, Hours: HOURS}
_PLAIN: dict[type, Schema] = {
    inspect.StrType: {"type": "string"},
    inspect.IntType: {"type": "integer"},
    inspect.FloatType: {"type": "number"},
    inspect.BoolType: {"type": "boolean"},
    inspect.NoneType: {"type": "null"},
    inspect.DateType: {"type": "string", "format": "date"},
    inspect.AnyType: {},
}
#: What a manager is told of the fields that every rule has; those of the kinds are told by their docstrings.
HINTS = {
    "id": "规则编号:小写字母和连字符,全书唯一,报警、测试和统计都用它",
    "title": "规则名称,显示在报警的标题",
    "says": "报警时的一句话,可用 {agent} {duration} 等数字和名称",
    "says_cleared": "情况解除时的一句话",
    "clause": "依据:手册编号 manual、章节 section、原文 quote",
    "also": "其他依据",
    "status": "draft 草稿、trial 试行、live 生效、retired 停用",
    "status_because": "为什么是这个状态",
    "retired_because": "停用的原因,停用时必填",
    "severity": "notice 提示、warning 警告、critical 严重",
    "en": "英文的名称和句子",
    "known_misses": "已知会漏报的情形",
    "false_alarms": "已知会误报的情形",
    "advice": "班长此刻可以做什么",
    "page": "true:触发后呼叫值班人员,不论级别(试行的规则不呼叫);严重级别的告警总会呼叫",
    "when": "只在这些条件成立时适用",
    "unless": "这些条件成立时不适用",
}
_SENTENCE = re.compile(r"(?<=[.;])\s+|\n\n")


class Days(Struct, forbid_unknown_fields=True):
    """The site's own days, over those of the country: ``holidays`` by date, and ``workdays``."""

    holidays: dict[date, str] = {}
    workdays: tuple[date, ...] = ()


class More(Struct, forbid_unknown_fields=True):
    """Further phrases of a known set; `sound` as in the set."""

    phrases: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    sound: Nearness | None = None


class _Types:
    """Types met so far, as the schema's definitions."""

    def __init__(self) -> None:
        self.defs: dict[str, Schema] = {}
        self._makers: dict[type, Callable[[Any], Schema]] = {
            inspect.StructType: self._struct,
            inspect.CustomType: lambda shape: dict(_CUSTOM[shape.cls]),
            inspect.LiteralType: lambda shape: {"enum": sorted(shape.values)},
            inspect.VarTupleType: lambda shape: {"type": "array", "items": self.of(shape.item_type)},
            inspect.DictType: lambda shape: {"type": "object", "additionalProperties": self.of(shape.value_type)},
            inspect.UnionType: self._union,
        }

    def of(self, shape: inspect.Type) -> Schema:
        """The schema of a type; a struct is a reference to its definition."""
        make = self._makers.get(type(shape))
        return make(shape) if make else dict(_PLAIN[type(shape)])

    def _union(self, shape: inspect.UnionType) -> Schema:
        """An absent field is left out in YAML, not written as null."""
        options = [self.of(option) for option in shape.types if not isinstance(option, inspect.NoneType)]
        return options[0] if len(options) == 1 else {"anyOf": options}

    def _struct(self, shape: inspect.StructType) -> Schema:
        name = shape.cls.__name__
        if name not in self.defs:
            self.defs[name] = {}  # a condition may hold conditions
            self.defs[name] = self._definition(shape)
        return {"$ref": f"#/definitions/{name}"}

    def _definition(self, shape: inspect.StructType) -> Schema:
        doc = _doc(shape.cls)
        fields = {field.encode_name: self._field(shape, field, doc) for field in shape.fields}
        if shape.tag_field:
            fields = {shape.tag_field: {"const": shape.tag}, **fields}
        required = [field.encode_name for field in shape.fields if field.required]
        return {
            "type": "object",
            "description": doc,
            "properties": fields,
            "required": [shape.tag_field, *required] if shape.tag_field else required,
            "additionalProperties": False,
        }

    def _field(self, shape: inspect.StructType, field: inspect.Field, doc: str) -> Schema:
        schema = self.of(field.type)
        about = " ".join(s for s in _SENTENCE.split(doc) if f"`{field.encode_name}`" in s).rstrip(";")
        about = about or (HINTS.get(field.encode_name, "") if issubclass(shape.cls, Rule) else "")
        if not about:
            return schema
        return {"allOf": [schema], "description": about} if "$ref" in schema else {**schema, "description": about}


def schema() -> Schema:
    """The schema of one file of rules."""
    types = _Types()
    rules = {kind: types.of(inspect.type_info(cls)) for kind, cls in KINDS.items()}
    sets = {"type": "array", "items": {"type": "string"}}
    phrases, more = ({"anyOf": [sets, types.of(inspect.type_info(each))]} for each in (PhraseSet, More))
    sections: Schema = {
        "rules": {"type": "array", "description": "Rules.", "items": _rule(rules)},
        "change": _named("Fields of known rules, by id.", {"$ref": "#/definitions/Change"}),
        "why": {"type": "string", "description": "What this overlay is for."},
        "phrases": _named("Phrase sets by name.", phrases),
        "add": _named("Further phrases of known sets.", more),
        "groups": _named("Groups of agents: patterns of their numbers.", sets),
        "calendar": types.of(inspect.type_info(Days)),
        "manuals": _named("Further manuals that rules may cite, by number.", types.of(inspect.type_info(Manual))),
    }
    types.defs["Change"] = _change([types.defs[cls.__name__] for cls in KINDS.values()])
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Sansheng rulebook",
        "description": "Rules, phrase sets and what a site lays over them.",
        "type": "object",
        "properties": sections,
        "additionalProperties": False,
        "definitions": dict(sorted(types.defs.items())),
    }


def as_json() -> str:
    """The schema as it is committed."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _named(description: str, each: Schema) -> Schema:
    return {"type": "object", "description": description, "additionalProperties": each}


def _rule(kinds: dict[str, Schema]) -> Schema:
    """A rule of any kind. By ``if`` and not ``anyOf``, so that an editor tells what is wrong with the kind meant."""
    return {
        "type": "object",
        "required": ["id", "kind"],
        "properties": {"kind": {"enum": sorted(kinds), "description": "What the rule looks at."}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": definition}
            for kind, definition in sorted(kinds.items())
        ],
    }


def _change(kinds: list[Schema]) -> Schema:
    """Any fields of any kind, none of them required: which kind is changed is known to the whole book only."""
    fields: dict[str, list[Schema]] = {}
    about: dict[str, str] = {}
    for name, field in (pair for kind in kinds for pair in kind["properties"].items()):
        bare = {key: value for key, value in field.items() if key != "description"}
        found = fields.setdefault(name, [])
        found += [bare] * (bare not in found)
        about.setdefault(name, field.get("description", ""))
    del fields["id"]
    fields["kind"] = [{"enum": sorted(KINDS)}]
    either = {name: found[0] if len(found) == 1 else {"anyOf": found} for name, found in fields.items()}
    return {
        "type": "object",
        "description": "Fields of a rule that are written anew.",
        "properties": {n: {**each, **({"description": about[n]} if about[n] else {})} for n, each in either.items()},
        "additionalProperties": False,
    }


def _doc(cls: type) -> str:
    """The docstring as plain text."""
    text = "\n\n".join(" ".join(part.split()) for part in (cls.__doc__ or "").split("\n\n"))
    return text.replace("``", "`")
