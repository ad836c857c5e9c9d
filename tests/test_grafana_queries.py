"""Every expression of the dashboards, asked of a real Prometheus that holds a recorded run of the demo, has data.

The recording is made anew by ``python -m tests.record_metrics``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest

from tests.grafana_tools import BOARDS, Asked, Recorded, asked, boards, chosen, panels, recorded


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """The recorded run of the demo."""
    with recorded(tmp_path_factory.mktemp("recorded")) as here:
        yield here


@pytest.mark.parametrize("name", BOARDS)
def test_every_expression_has_data(name: str, demo: Recorded, record_property: pytest.RecordProperty) -> None:
    """With All chosen everywhere. Prints panel, expression and how many series came (pytest -rP)."""
    found = [(one, len(demo.series(one))) for one in asked(name, boards("zh")[name])]
    table = "\n".join(f"| {one.panel} | `{one.expr}` | {series} |" for one, series in found)
    print(f"\n| panel | expression | series |\n|---|---|---|\n{table}")
    record_property("expressions", len(found))
    empty = [f"{one.panel}: {demo.filled_in(one)}" for one, series in found if not series]
    assert not empty, "no data for\n" + "\n".join(empty)


def test_one_queue_and_one_site_can_be_chosen(demo: Recorded) -> None:
    [site] = demo.values("site")
    busiest = "topk(1, sum by (queue) (increase(sansheng_calls_offered_total[$__range])))"
    [most] = demo.series(Asked("floor", "", busiest, True, 15))
    queue = most["metric"]["queue"]
    assert queue not in ("direct", "other")
    empty = [
        one.panel
        for one in asked("floor", boards("zh")["floor"])
        if "queue" in one.expr and not demo.series(one, queue=chosen(queue, "direct"), site=chosen(site))
    ]
    assert not empty
    calls = Asked("floor", "", 'sum(sansheng_calls_offered_total{site=~"$site", queue=~"$queue"})', True, 15)
    assert demo.series(calls, queue=chosen(queue))
    assert not demo.series(calls, queue=chosen("elsewhere"))
    assert not demo.series(calls, site=chosen("elsewhere"))


@pytest.mark.parametrize("name", BOARDS)
def test_variables_find_their_values(name: str, demo: Recorded) -> None:
    for variable in boards("zh")[name]["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert match
            selector = match.group(1).replace("$site", ".*")
            assert demo.ask("series", **{"match[]": selector}), variable["name"]
            assert all(match.group(2) in one for one in demo.ask("series", **{"match[]": selector}))


@pytest.mark.parametrize("name", BOARDS)
def test_legends_and_columns_name_labels_that_are_there(name: str, demo: Recorded) -> None:
    board = boards("zh")[name]
    asked_for = iter(asked(name, board))
    missing = []
    for panel in panels(board):
        for target in panel["targets"]:
            labels = set().union(*(one["metric"] for one in demo.series(next(asked_for))))
            wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            missing += [f"{panel['title']}: {{{{{label}}}}}" for label in wanted - labels]
    assert not missing, "\n".join(missing)


def test_shares_are_shares(demo: Recorded) -> None:
    """What is shown as a percentage of something lies between none and all of it, CPU of one core aside."""
    wrong = []
    for name in BOARDS:
        board = boards("zh")[name]
        asked_for = iter(asked(name, board))
        for panel in panels(board):
            for one in [next(asked_for) for _ in panel["targets"]]:
                if panel["fieldConfig"]["defaults"]["unit"] == "percentunit" and "cpu" not in one.expr:
                    values = [float(v) for s in demo.series(one) for _, v in s.get("values", [s.get("value")])]
                    wrong += [(one, value) for value in values if not (math.isnan(value) or -0.001 <= value <= 1.001)]
    assert not wrong, wrong[:5]
