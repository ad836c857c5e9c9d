"""The dashboards: their JSON is up to date, complete, in two languages, and as dashboard-linter and Grafana want it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.grafana import names
from dashboards.grafana.__main__ import write
from dashboards.grafana.panels import WALL, Board, Panel, Query, Row, Text, as_json
from streams.metrics import EVERYWHERE, TABLE
from tests.grafana_tools import BOARDS, JSON, LANGUAGES, asked, boards, panels

FOLDER = JSON.parent
ALL = [(language, name, board) for language in LANGUAGES for name, board in boards(language).items()]
EACH = pytest.mark.parametrize(
    ("language", "name", "board"), ALL, ids=[f"{language}-{name}" for language, name, _ in ALL]
)
#: Units of Grafana that our panels use; dashboard-linter has a list of all of them.
UNITS = {"short", "none", "string", "percentunit", "s", "cps", "cpm", "wps", "bytes"}
#: Half-width marks beside a Chinese character, which no native writer would leave.
ILL_SET = re.compile("[\u4e00-\u9fff][,:;!?()]|[,:;!?()][\u4e00-\u9fff]")
#: Metrics that no dashboard shows, with the reason.
NOT_SHOWN = {
    "sansheng_wall_boards": "how many parts of the floor are looked at says nothing that browsers do not",
    "sansheng_archive_batches_total": "the count of sansheng_archive_batch_seconds",
    "sansheng_archive_parquet_written_total": "days pending and failed are what matters",
    "sansheng_archive_forgotten_total": "`sansheng archive status` tells it with its dates",
    "sansheng_archive_schema_info": "`sansheng archive status` tells it",
    "sansheng_pager_last_commit_timestamp_seconds": "its lag by topic is shown",
}


# ---------------------------------------------------------------------------------------------- the committed files


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_committed_json_is_what_the_code_writes(language: str, tmp_path: Path) -> None:
    stale = [
        file.name
        for file in write(tmp_path, english=language == "en")
        if file.read_text(encoding="utf-8") != (JSON / language / file.name).read_text(encoding="utf-8")
    ]
    assert not stale, f"stale in dashboards/grafana/json/{language}: {', '.join(stale)}; run: make dashboards"


def test_nothing_but_the_dashboards_lies_beside_them() -> None:
    files = {str(file.relative_to(JSON)) for file in JSON.rglob("*.json")}
    assert files == {f"{language}/{name}.json" for language in LANGUAGES for name in BOARDS}


def test_the_command_writes_for_another_wall(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dashboards.grafana", "--english", "--wall", "https://wall.example/", "--to", "."]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(FOLDER.parents[1])}, capture_output=True, check=True
    )
    assert done.stdout.decode().split() == [f"{name}.json" for name in BOARDS]
    text = (tmp_path / "floor.json").read_text(encoding="utf-8")
    assert json.loads(text)["uid"] == "sansheng-floor-en"
    assert '"https://wall.example"' in text
    assert WALL not in text


def test_a_row_that_leaves_a_hole_is_refused() -> None:
    panel = Panel("stat", Text("一", "One"), Text("一", "One"), "short", (Query("up", "up"),), width=10)
    board = Board("one", Text("一", "One"), Text("一", "One"), (Row(Text("一", "Row one"), (panel,)),), (), "now-1h")
    with pytest.raises(ValueError, match="'Row one' is 10 of 24 wide"):
        as_json(board)


# ---------------------------------------------------------------------------------------------- what people see


@EACH
def test_every_panel_says_what_it_shows(language: str, name: str, board: dict[str, Any]) -> None:
    offenders = []
    for panel in panels(board):
        unit = panel["fieldConfig"]["defaults"].get("unit")
        wrong = [
            *(["no title"] if not panel.get("title") else []),
            *(["no description"] if len(panel.get("description", "")) < 5 else []),
            *([f"unit {unit!r}"] if unit not in UNITS else []),
            *(["no expression"] if not panel.get("targets") else []),
            *(f"no legend for {target['refId']}" for target in panel["targets"] if not target.get("legendFormat")),
            *(["no words for no data"] if not panel["fieldConfig"]["defaults"].get("noValue") else []),
        ]
        offenders += [f"{panel['title']}: {each}" for each in wrong]
    assert not offenders, "\n".join(offenders)


@EACH
def test_numbers_and_names_are_unique(language: str, name: str, board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert ids == list(range(1, len(ids) + 1))  # in reading order, so that links to a panel stay good
    # a figure of now and its course may share a title; two of one kind may not
    kinds = Counter((panel["title"], panel["type"]) for panel in panels(board))
    assert max(kinds.values()) == 1, kinds.most_common(1)


def test_uids_are_unique() -> None:
    uids = [board["uid"] for _, _, board in ALL]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[a-z-]{1,40}", uid) for uid in uids)


@EACH
def test_panels_fill_the_grid_and_never_overlap(language: str, name: str, board: dict[str, Any]) -> None:
    cells: Counter[tuple[int, int]] = Counter()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
    assert max(cells.values()) == 1
    assert max(x for x, _ in cells) == 23
    assert len(cells) == 24 * (1 + max(y for _, y in cells)), "there is a hole between panels"


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Everything that a person may read."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, key)
    elif isinstance(value, str) and key in ("title", "description", "label", "legendFormat", "text", "noValue", "name"):
        yield key, value


@pytest.mark.parametrize("name", BOARDS)
def test_chinese_is_set_as_it_is_printed(name: str) -> None:
    board = boards("zh")[name]
    assert not [text for _, text in _texts(board) if ILL_SET.search(text)]
    shown = [panel["title"] for panel in board["panels"]] + [panel["description"] for panel in panels(board)]
    assert not [text for text in shown if not re.search("[\u4e00-\u9fff]", text)], "said in Chinese"


@pytest.mark.parametrize("name", BOARDS)
def test_english_has_no_chinese_but_clauses(name: str) -> None:
    clauses = {clause.en for clause in names.clauses().values()}
    chinese = [text for _, text in _texts(boards("en")[name]) if re.search("[\u4e00-\u9fff]", text)]
    assert not [text for text in chinese if text not in clauses]


def test_both_languages_ask_the_same() -> None:
    for name in BOARDS:
        zh, en = (panels(boards(language)[name]) for language in LANGUAGES)
        assert [[target["expr"] for target in panel["targets"]] for panel in zh] == [
            [target["expr"] for target in panel["targets"]] for panel in en
        ]


def test_rules_have_their_titles_and_clauses_theirs() -> None:
    board = boards("zh")["quality"]
    by_title = {panel["title"]: panel for panel in panels(board)}
    broken = json.dumps(by_title["违反最多的条款（所选时段）"], ensure_ascii=False)
    assert "《客户服务接听标准与技巧手册》一（四）" in broken
    overview = json.dumps(by_title["规则一览"], ensure_ascii=False)
    assert '"text": "客户要求上级接听"' in overview
    assert "/desk?state=all&rule=${__value.raw}" in overview


def test_clauses_with_several_rules_are_one() -> None:
    """000 一(二) is watched over by several rules: they are summed under the first one's name."""
    expr = names.by_clause("sum by (rule) (x)")
    same = [rule.id for rule in names.rules() if (rule.clause.manual, rule.clause.section) == ("000", "一(二)")]
    assert len(same) > 1
    first, *others = same
    assert f'"clause", "{first}", "rule", "{"|".join(others)}"' in expr


def test_every_value_that_is_known_before_has_its_name() -> None:
    """Of labels that stand alone in a legend; a value that is added to the table must be named here."""
    known: dict[str, set[str]] = {}
    for metric in TABLE:
        for label, values in zip(metric.labels, metric.values or (), strict=True) if metric.values else ():
            known.setdefault(f"{metric.name} {label}", set()).update(values)
    named = {
        "sansheng_calls phase": names.PHASES.keys() | {"ended"},
        "sansheng_calls_offered_total queue": names.QUEUES.keys(),
        "sansheng_rulebook_reloads_total outcome": names.RELOADS.keys(),
        "sansheng_ears_transcripts_total type": names.TRANSCRIPTS.keys(),
        "sansheng_ears_gaps_total reason": names.GAPS.keys(),
        "sansheng_wall_clients mode": names.MODES.keys(),
        "sansheng_wall_refused_total reason": names.REFUSALS.keys(),
        "sansheng_wall_acts_total action": names.ACTIONS.keys(),
        "sansheng_wall_acts_total outcome": names.PROBLEMS.keys() | {"done"},
        "sansheng_wall_pages_total what": names.OPENED.keys(),
        "sansheng_wall_pages_total outcome": names.PROBLEMS.keys() | {"shown"},
        "sansheng_pager_pages_in_progress state": names.PAGES.keys(),
        "sansheng_pager_pages_total outcome": names.PAGES.keys(),
        "sansheng_pager_escalations_total why": names.ESCALATIONS.keys(),
    }
    nameless = {key: sorted(known[key] - values) for key, values in named.items() if known[key] - values}
    assert not nameless
    assert names.PROCESSES.keys() == set(EVERYWHERE)


# ---------------------------------------------------------------------------------------------- what Grafana is told


@EACH
def test_only_the_variable_names_a_data_source(language: str, name: str, board: dict[str, Any]) -> None:
    assert set(_sources(board)) == {("prometheus", "${datasource}")}


def _sources(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(source := value.get("datasource"), dict):
            yield source["type"], source["uid"]
        elif source is not None:
            yield "?", str(source)
        for each in value.values():
            yield from _sources(each)
    elif isinstance(value, list):
        for each in value:
            yield from _sources(each)


@EACH
def test_every_expression_keeps_to_the_chosen_sites(language: str, name: str, board: dict[str, Any]) -> None:
    for one in asked(name, board):
        assert "{" in one.expr, one
        selectors = re.findall(r"\{([^}]*)\}", one.expr)
        assert all('site=~"$site"' in selector for selector in selectors), one


@EACH
def test_variables_are_used_and_known(language: str, name: str, board: dict[str, Any]) -> None:
    known = {variable["name"] for variable in board["templating"]["list"]}
    text = json.dumps({key: value for key, value in board.items() if key != "templating"})
    used = set(re.findall(r"\$\{?([a-z]\w*)", text)) - {"__value", "__field"}
    assert used == known
    assert ("queue" in known) == (name == "floor")  # no other metric has it


@EACH
def test_what_happened_is_marked_and_the_wall_is_one_click_away(
    language: str, name: str, board: dict[str, Any]
) -> None:
    asked_for = " ".join(mark["expr"] for mark in board["annotations"]["list"])
    for metric in ("sansheng_alerts_total", "sansheng_build_info", "sansheng_rulebook_info"):
        assert metric in asked_for
    pages = [link["url"].partition("?")[0] for link in board["links"] if link["type"] == "link"]
    assert pages == ["${wall}/", "${wall}/desk", "${wall}/rules", "${wall}/search"]
    wanted = "?lang=en" if language == "en" else ""
    assert all(link["url"].endswith(wanted) for link in board["links"] if link["type"] == "link")


def test_links_name_pages_that_the_wall_has() -> None:
    router = (FOLDER.parent / "wall" / "static" / "router.js").read_text(encoding="utf-8")
    filters = (FOLDER.parent / "wall" / "static" / "filters.js").read_text(encoding="utf-8")
    links = set(re.findall(r'"url": "\$\{wall\}([^"]*)"', "".join(map(json.dumps, boards("zh").values()))))
    for link in links:
        path, _, query = link.partition("?")
        assert path == "/" or f'"{path[1:]}"' in router or f"^\\/{path[1:]}\\/" in router, link
        for pair in filter(None, query.split("&")):
            assert f'"{pair.partition("=")[0]}"' in filters, link


def test_every_metric_is_looked_at() -> None:
    """A metric that nobody looks at is not worth its series: it is shown, or it says why not."""
    text = " ".join(one.expr for name, board in boards("zh").items() for one in asked(name, board))
    shown = {metric.name for metric in TABLE if re.search(rf"\b{metric.name}(_bucket|_count|_sum)?\b", text)}
    assert {metric.name for metric in TABLE} - shown == NOT_SHOWN.keys()


# -------------------------------------------------------------------------------- rules of Grafana's dashboard-linter


@EACH
def test_linter_rules(language: str, name: str, board: dict[str, Any]) -> None:
    """github.com/grafana/dashboard-linter, docs/rules; which of them do not fit is said in docs/dashboards.md."""
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    faults = []
    if board["editable"]:
        faults.append("uneditable-dashboard")
    if variables["datasource"]["type"] != "datasource" or variables["datasource"]["query"] != "prometheus":
        faults.append("template-datasource-rule")
    for variable in variables.values():
        if variable["type"] == "query" and variable["refresh"] != 2:
            faults.append(f"template-on-time-change-reload-rule: {variable['name']}")
        if variable["type"] == "query" and not re.fullmatch(
            r"label_values\(\w+(\{.*\})?, \w+\)", variable["query"]["query"]
        ):
            faults.append(f"template-label-promql-rule: {variable['name']}")
    for panel in panels(board):
        if panel["datasource"]["uid"] != "${datasource}":
            faults.append(f"panel-datasource-rule: {panel['title']}")
        for target in panel["targets"]:
            faults += [f"{rule}: {panel['title']}: {target['expr']}" for rule in _expression_faults(target["expr"])]
    assert not faults, "\n".join(faults)


def _expression_faults(expr: str) -> Iterator[str]:
    for function, window in re.findall(r"(\w+)\([^()]*\[([^\]]+)\]", expr):
        if function in ("rate", "irate") and window != "$__rate_interval":
            yield "target-rate-interval-rule"
    for before, after in re.findall(r"(\w*\()?sansheng_\w+_total\{[^}]*\}(\[)?", expr):
        if before not in ("rate(", "irate(", "increase(") or not after:
            yield "target-counter-agg-rule"
    if re.search(r"sum by \([^)]*\) \(sansheng_rule_alerts|sum\(sansheng_rule_alerts", expr):
        yield "every wall of a site exports the same: max by (site, rule, severity, finding)"


# ---------------------------------------------------------------------------------------------- provisioning


def test_provisioning_names_one_source_and_the_folder() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "prometheus.yaml").read_text(encoding="utf-8"))
    [source] = sources["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "$GRAFANA_PROMETHEUS_URL", True)
    providers = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "sansheng.yaml").read_text(encoding="utf-8"))
    [provider] = providers["providers"]
    assert provider["options"] == {"path": "$GRAFANA_DASHBOARDS"}
    given = dict(
        line.split("=", 1)
        for line in (FOLDER / "grafana.env").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert given["GRAFANA_PROMETHEUS_URL"] == "http://127.0.0.1:9090"
    root = Path(given["GF_PATHS_PROVISIONING"]).parent
    assert (FOLDER / Path(given["GRAFANA_DASHBOARDS"]).relative_to(root)).is_dir()
    assert (FOLDER / Path(given["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).relative_to(root)).is_file()


def test_the_sources_interval_is_that_of_prometheus() -> None:
    """Or $__rate_interval would be too short, and rates would have holes."""
    source = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "prometheus.yaml").read_text(encoding="utf-8"))
    scraped = yaml.safe_load((FOLDER.parents[1] / "deploy" / "prometheus" / "prometheus.yml").read_text())
    assert source["datasources"][0]["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]


def test_nothing_that_runs_imports_the_dashboards() -> None:
    code = "import sys, streams.cli, dashboards.wall.server; print(any('grafana' in name for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
