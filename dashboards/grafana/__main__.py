"""Writes the dashboards as JSON: ``python -m dashboards.grafana [--english] [--wall URL] [--to FOLDER]``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from dashboards.grafana import ears, engine, floor, quality
from dashboards.grafana.panels import WALL, Board, as_json

JSON = Path(__file__).parent / "json"
BOARDS: dict[str, Callable[..., Board]] = {
    "floor": floor.board,
    "quality": quality.board,
    "engine": engine.board,
    "ears": ears.board,
}


def write(folder: Path, *, english: bool, wall: str = WALL) -> list[Path]:
    """All dashboards of one language into ``folder``; answers with the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.json" for name in BOARDS]
    for file, board in zip(files, BOARDS.values(), strict=True):
        file.write_text(as_json(board(english=english), english=english, wall=wall), encoding="utf-8")
    return files


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.grafana", description=__doc__)
    parser.add_argument("--english", action="store_true", help="in English, into json/en")
    parser.add_argument("--wall", default=WALL, help="where people open the wall (%(default)s)")
    parser.add_argument("--to", type=Path, help="folder to write into; by default json/zh or json/en beside this file")
    given = parser.parse_args()
    folder = given.to or JSON / ("en" if given.english else "zh")
    for file in write(folder, english=given.english, wall=given.wall):
        print(file)


if __name__ == "__main__":
    main()
