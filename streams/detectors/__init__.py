"""The kinds of rules, one file each. ``KINDS`` finds them: a new file in this folder is a new kind."""

from __future__ import annotations

import importlib
import pkgutil

from streams.detectors.base import Memory, Rule

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

#: kind -> the class that judges it
KINDS: dict[str, type[Rule]] = {str(cls.__struct_config__.tag): cls for cls in Rule.__subclasses__()}
MEMORIES: dict[str, type[Memory]] = {kind: cls.memory_type for kind, cls in KINDS.items()}
