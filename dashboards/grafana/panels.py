"""What a dashboard is made of, as data, and how grafana-foundation-sdk makes Grafana's JSON of it.

Owns what all dashboards share: their variables, annotations, links and the look of each kind of panel. Knows nothing of
metrics but the labels ``site`` and ``queue``; expressions come from the dashboards. The same data always gives the same
JSON: panels are numbered in reading order, and a dashboard's uid is its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from msgspec import Struct

from streams.alerts import typeset_zh

#: The wall as `make up` and the demo start it; another one is given when the dashboards are written.
WALL = "http://127.0.0.1:8300"
_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_TAG = "sansheng"
_GRID = 24
#: Grafana's names of a panel's queries.
_REFS = "ABCDEFGHIJ"

Kind = Literal["lines", "bars", "stat", "table", "gauges"]
GREEN, YELLOW, ORANGE, RED = "green", "yellow", "orange", "red"
#: Of one core.
CPU = ((None, GREEN), (0.8, ORANGE), (0.95, RED))


class Text(NamedTuple):
    """What people read, in both languages. Chinese may be typed with any marks: they are set when it is printed."""

    zh: str
    en: str

    def said(self, english: bool) -> str:
        """In one language."""
        return self.en if english else typeset_zh(self.zh)


class Query(Struct, frozen=True):
    """An expression and what its series are called: a text, or Grafana's template of labels."""

    expr: str
    legend: Text | str
    #: Of a table: which column the value becomes.
    column: str = ""


class Column(Struct, frozen=True):
    """A column of a table: a label, or the value of the query whose ``column`` it names."""

    name: str
    title: Text
    unit: str = "none"
    names: Mapping[str, Text] | None = None
    limits: tuple[tuple[float | None, str], ...] = ()
    width: int = 0
    #: Where a click on it leads.
    link: str = ""
    decimals: int | None = None


class Panel(Struct, frozen=True):
    """One panel. ``says``: what it answers, and what to make of it."""

    kind: Kind
    title: Text
    says: Text
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    #: From which value on which colour; the first one from None.
    limits: tuple[tuple[float | None, str], ...] = ()
    #: Label value -> what it is called, where a legend is nothing but that label.
    names: Mapping[str, Text] | None = None
    #: Value -> words, with its colour, for what is yes or no.
    words: tuple[tuple[int, Text, str], ...] = ()
    columns: tuple[Column, ...] = ()
    #: A table's rows, most of this first.
    order: str = ""
    least: float | None = 0
    most: float | None = None
    decimals: int | None = None
    stacked: bool = False
    #: Prometheus is asked for no finer steps: figures of a quiet hotline would have holes.
    interval: str = ""
    #: A page of the wall, without its host.
    link: str = ""
    #: A stat that shows its series' name.
    by_name: bool = False


class Row(Struct, frozen=True):
    """Panels under a heading."""

    title: Text
    panels: tuple[Panel, ...]


class Mark(Struct, frozen=True):
    """An annotation: where ``expr`` has a value, something happened."""

    name: Text
    expr: str
    title: str
    tags: str
    colour: str


class Board(Struct, frozen=True):
    """A dashboard. ``queues``: whether it can be narrowed to queues."""

    uid: str
    title: Text
    says: Text
    rows: tuple[Row, ...]
    marks: tuple[Mark, ...]
    since: str
    refresh: str = "30s"
    queues: bool = False


# expressions


def of(metric: str, **labels: str) -> str:
    """A selector of the chosen sites. ``!`` before a value: any other; what is no plain word: a regular expression."""
    more = "".join(f', {name}{_match(value)}"{value.removeprefix("!")}"' for name, value in labels.items())
    return f'{metric}{{site=~"$site"{more}}}'


def _match(value: str) -> str:
    if value.startswith("!"):
        return "!="
    return "=" if value.replace("-", "").replace("_", "").isalnum() else "=~"


def rate(metric: str, *by: str, **labels: str) -> str:
    """Of a counter, a second, over all instances."""
    return total(f"rate({of(metric, **labels)}[$__rate_interval])", *by)


def increase(metric: str, *by: str, over: str = "$__range", **labels: str) -> str:
    """Of a counter, over that time and all instances."""
    return total(f"increase({of(metric, **labels)}[{over}])", *by)


def stepwise(metric: str, *by: str, **labels: str) -> str:
    """Of a counter, in each step of a panel, over all instances."""
    return increase(metric, *by, over="$__interval", **labels)


def total(expr: str, *by: str) -> str:
    """Over everything but ``by``."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def greatest(metric: str, *by: str, **labels: str) -> str:
    """Of a gauge, the greatest in each site."""
    return f"max by ({', '.join(('site', *by))}) ({of(metric, **labels)})"


def once(metric: str, *by: str, **labels: str) -> str:
    """Of a gauge that several instances of a site tell alike: once a site, and summed over the sites."""
    return total(greatest(metric, *by, **labels), *by)


def most(count: int, expr: str) -> str:
    """Only the series with most; every value of every label stands at zero from the start."""
    return f"topk({count}, {expr})"


def quantile(share: float, metric: str, *by: str, **labels: str) -> str:
    """Of a histogram, over all instances."""
    return f"histogram_quantile({share:g}, {rate(f'{metric}_bucket', 'le', *by, **labels)})"


def percentiles(metric: str) -> tuple[Query, ...]:
    """What operators want to know of a histogram."""
    return (
        Query(quantile(0.5, metric), Text("一半不超过", "Median")),
        Query(quantile(0.95, metric), Text("95% 不超过", "95th percentile")),
        Query(quantile(0.99, metric), Text("99% 不超过", "99th percentile")),
    )


def age(metric: str, *by: str) -> str:
    """Seconds since a timestamp, by site; of several instances the furthest behind. 0 is no time, but not yet."""
    return f"time() - min by ({', '.join(('site', *by))}) ({of(metric)} > 0)"


# from data to Grafana


class _Maker:
    """Writes in one language, with one wall."""

    def __init__(self, *, english: bool, wall: str) -> None:
        self._english, self._wall = english, wall

    def board(self, board: Board) -> dict[str, Any]:
        made = (
            dashboard.Dashboard(self._say(board.title))
            .uid(board.uid + ("-en" if self._english else ""))
            .description(self._say(board.says))
            .tags([_TAG, self._language])
            .readonly()
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .refresh(board.refresh)
            .time(board.since, "now")
            .timezone("browser")
        )
        for variable in self._variables(board):
            made.with_variable(variable)
        for link in self._links():
            made.link(link)
        number = iter(range(1, 1000))
        for row in board.rows:
            made.with_row(dashboard.Row(self._say(row.title)).id(next(number)))
            for panel in row.panels:
                made.with_panel(self._panel(panel).id(next(number)))
        plain: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
        plain["annotations"] = {"list": [self._mark(mark) for mark in board.marks]}
        return plain

    @property
    def _language(self) -> str:
        return "en" if self._english else "zh"

    def _say(self, text: Text | str) -> str:
        return text if isinstance(text, str) else text.said(self._english)

    def _variables(self, board: Board) -> Iterator[Any]:
        yield dashboard.DatasourceVariable("datasource").label(self._say(_SOURCES)).type("prometheus")
        yield self._label("site", _SITES, "label_values(sansheng_build_info, site)")
        if board.queues:
            queues = 'label_values(sansheng_calls_offered_total{site=~"$site"}, queue)'
            yield self._label("queue", _QUEUES, queues)
        yield dashboard.ConstantVariable("wall").label(self._say(_WALLS)).value(self._wall)

    def _label(self, name: str, title: Text, query: str) -> dashboard.QueryVariable:
        return (
            dashboard.QueryVariable(name)
            .label(self._say(title))
            .datasource(_SOURCE)
            .query({"query": query, "refId": "values", "qryType": 1})
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(model.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
        )

    def _links(self) -> Iterator[dashboard.DashboardLink]:
        others = dashboard.DashboardLink(self._say(_BOARDS)).type(model.DashboardLinkType.DASHBOARDS)
        yield others.tags([_TAG, self._language]).as_dropdown(True).include_vars(True).keep_time(True)
        for title, path in _PAGES:
            link = dashboard.DashboardLink(self._say(title)).type(model.DashboardLinkType.LINK)
            yield link.url(self._address(path)).icon("external link").target_blank(True)

    def _address(self, path: str) -> str:
        query = ("&" if "?" in path else "?") + "lang=en" if self._english else ""
        return f"${{wall}}{path}{query}"

    def _mark(self, mark: Mark) -> dict[str, Any]:
        """The builder knows only the first half of what the Prometheus source reads of an annotation."""
        made = dashboard.AnnotationQuery().name(self._say(mark.name)).datasource(_SOURCE).enable(True)
        plain: dict[str, Any] = json.loads(JSONEncoder().encode(made.icon_color(mark.colour).expr(mark.expr).build()))
        return plain | {"step": "60s", "titleFormat": mark.title, "tagKeys": mark.tags, "textFormat": ""}

    def _panel(self, panel: Panel) -> Any:
        """A builder of that kind of panel, all set but its number."""
        make = {
            "lines": self._lines,
            "bars": self._bars,
            "stat": self._stat,
            "table": self._table,
            "gauges": self._gauges,
        }[panel.kind]
        made: Any = make(panel)
        made.title(self._say(panel.title)).description(self._say(panel.says)).datasource(_SOURCE).unit(panel.unit)
        made.span(panel.width).height(panel.height).no_value("–" if panel.kind == "table" else self._say(_NONE))
        for ref, query in zip(_REFS, panel.queries, strict=False):
            made.with_target(self._target(panel, query, ref))
        _measure(made, panel)
        if interval := panel.interval or _interval(panel):
            made.interval(interval)
        if panel.words:
            made.mappings([self._mapped((str(value), word, colour) for value, word, colour in panel.words)])
        if panel.link:
            link = dashboard.DashboardLink(self._say(_OPEN)).url(self._address(panel.link)).target_blank(True)
            made.data_links([link])
        for value, name in sorted((panel.names or {}).items()):
            made.override_by_name(value, [model.DynamicConfigValue("displayName", self._say(name))])
        return made

    def _target(self, panel: Panel, query: Query, ref: str) -> prometheus.Dataquery:
        made = prometheus.Dataquery().expr(query.expr).legend_format(self._say(query.legend)).ref_id(ref)
        made.datasource(_SOURCE)
        if panel.kind in ("table", "gauges"):
            made.instant()
        else:
            made.range()
        return made.format(PromQueryFormat.TABLE if panel.kind == "table" else PromQueryFormat.TIME_SERIES)

    def _lines(self, panel: Panel) -> timeseries.Panel:
        made = (
            timeseries.Panel()
            .legend(_legend("mean", "max"))
            .tooltip(
                common.VizTooltipOptions()
                .mode(look.TooltipDisplayMode.MULTI)
                .sort(look.SortOrder.DESCENDING)
                .hide_zeros(panel.kind == "bars")
            )
            .line_width(2)
            .fill_opacity(25 if panel.stacked else 0)
            .show_points(look.VisibilityMode.AUTO)
            .span_nulls(False)
        )
        if panel.stacked:
            made.stacking(common.StackingConfig().mode(look.StackingMode.NORMAL))
        if panel.limits:
            made.thresholds_style(common.GraphThresholdsStyleConfig().mode(look.GraphThresholdsStyleMode.DASHED))
        return made

    def _bars(self, panel: Panel) -> timeseries.Panel:
        made = self._lines(panel).draw_style(look.GraphDrawStyle.BARS).fill_opacity(80).line_width(1)
        return made.legend(_legend("sum", "max"))

    def _stat(self, panel: Panel) -> stat.Panel:
        return (
            stat.Panel()
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .color_mode(look.BigValueColorMode.BACKGROUND if panel.limits else look.BigValueColorMode.VALUE)
            .graph_mode(look.BigValueGraphMode.NONE if panel.words or panel.by_name else look.BigValueGraphMode.AREA)
            .text_mode(look.BigValueTextMode.NAME if panel.by_name else look.BigValueTextMode.AUTO)
        )

    def _gauges(self, panel: Panel) -> bargauge.Panel:
        return (
            bargauge.Panel()
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .orientation(look.VizOrientation.HORIZONTAL)
            .display_mode(look.BarGaugeDisplayMode.BASIC)
        )

    def _table(self, panel: Panel) -> table.Panel:
        made = table.Panel().cell_height(look.TableCellHeight.SM).show_header(True)
        fields = {_field(panel, column): self._say(column.title) for column in panel.columns}
        places = {name: place for place, name in enumerate(fields)}
        made.with_transformation(model.DataTransformerConfig("merge", options={}))
        hidden = {"Time": True} | {name: True for name in _values(panel) if name not in fields}
        organised = {"excludeByName": hidden, "indexByName": places, "renameByName": fields}
        made.with_transformation(model.DataTransformerConfig("organize", options=organised))
        for column in panel.columns:
            made.override_by_name(self._say(column.title), list(self._properties(column)))
        if panel.order:
            title = next(column.title for column in panel.columns if column.name == panel.order)
            made.sort_by([common.TableSortByFieldState().display_name(self._say(title)).desc(True)])
        return made

    def _properties(self, column: Column) -> Iterator[model.DynamicConfigValue]:
        yield model.DynamicConfigValue("unit", column.unit)
        if column.names is not None:
            renamed = ((value, name, None) for value, name in sorted(column.names.items()))
            yield model.DynamicConfigValue("mappings", [self._mapped(renamed)])
        if column.limits:
            yield model.DynamicConfigValue("thresholds", _thresholds(column.limits).build())
            yield model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"})
        if column.width:
            yield model.DynamicConfigValue("custom.width", column.width)
        if column.decimals is not None:
            yield model.DynamicConfigValue("decimals", column.decimals)
        if column.link:
            link = {"title": self._say(_OPEN), "url": self._address(column.link), "targetBlank": True}
            yield model.DynamicConfigValue("links", [link])

    def _mapped(self, words: Iterable[tuple[str, Text, str | None]]) -> model.ValueMap:
        results = {
            value: model.ValueMappingResult(text=self._say(word), color=colour, index=place)
            for place, (value, word, colour) in enumerate(words)
        }
        return model.ValueMap(options=results)


_SOURCES = Text("数据源", "Data source")
_SITES = Text("中心", "Site")
_QUEUES = Text("队列", "Queue")
_WALLS = Text("监控墙地址", "The wall's address")
_BOARDS = Text("三声看板", "Sansheng dashboards")
_OPEN = Text("在监控墙打开", "Open on the wall")
_NONE = Text("无数据", "No data")
_PAGES = (
    (Text("监控墙", "Wall"), "/"),
    (Text("告警列表", "Alerts"), "/desk"),
    (Text("规则与静音", "Rules and snoozes"), "/rules"),
    (Text("查找通话", "Find calls"), "/search"),
)


def _measure(made: Any, panel: Panel) -> None:
    """How its numbers are shown."""
    if panel.limits:
        made.thresholds(_thresholds(panel.limits))
    if panel.least is not None and panel.kind != "table":
        made.min(panel.least)
    if panel.most is not None:
        made.max(panel.most)
    if panel.decimals is not None:
        made.decimals(panel.decimals)


def _interval(panel: Panel) -> str:
    """What happened in each step needs steps that are longer than Prometheus's own."""
    return "1m" if any("[$__interval]" in query.expr for query in panel.queries) else ""


def _field(panel: Panel, column: Column) -> str:
    """What Grafana calls it in a merged table: a label by its name, a value by its query."""
    values = zip(_values(panel), panel.queries, strict=True)
    return next((name for name, query in values if query.column == column.name), column.name)


def _values(panel: Panel) -> list[str]:
    return [f"Value #{ref}" for ref in _REFS[: len(panel.queries)]] if len(panel.queries) > 1 else ["Value"]


def _legend(*figures: str) -> common.VizLegendOptions:
    shown = common.VizLegendOptions().display_mode(look.LegendDisplayMode.TABLE).show_legend(True)
    return shown.placement(look.LegendPlacement.BOTTOM).calcs(list(figures)).sort_by("Max").sort_desc(True)


def _thresholds(limits: Iterable[tuple[float | None, str]]) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(value=value, color=colour) for value, colour in limits]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def as_json(board: Board, *, english: bool = False, wall: str = WALL) -> str:
    """The dashboard as Grafana reads it.

    Raises:
        ValueError: a row's panels do not fill its width, line by line.
    """
    for row in board.rows:
        if over := sum(panel.width for panel in row.panels) % _GRID:
            raise ValueError(f"{board.uid}: the last line of row {row.title.en!r} is {over} of {_GRID} wide; fill it")
    made = _Maker(english=english, wall=wall.rstrip("/")).board(board)
    return json.dumps(made, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
