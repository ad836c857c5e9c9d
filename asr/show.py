"""How ``sansheng hear`` prints: for people in Chinese, or as NDJSON of the contract."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from streams import alerts, events
from streams.alerts import SIGNS, AlertChange, Severity, agent_zh
from streams.detectors.wording import SEVERITY_ZH
from streams.events import (
    AgentMissed,
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    CallTransferred,
    CallTransferring,
    Event,
    Gap,
    Role,
    Transcript,
    TransferFailed,
)
from streams.numbers import mask

WHO: Mapping[Role, str] = {"agent": "坐席", "customer": "客户"}
_STYLES: Mapping[str, str] = {"agent": "cyan", "customer": "green"}
_SEVERITY_STYLES: Mapping[Severity, str] = {"critical": "bold red", "warning": "bold yellow", "notice": "bold blue"}
_STATE = {"opened": "", "raised": "升级 ", "cleared": "解除 "}
_ENDED_BY = {"agent": "坐席先挂机", "customer": "客户先挂机", "system": "通话结束"}


class Printer(Protocol):
    """Prints one call after another."""

    def begin(self, call: str, file: str, begun: float) -> None:
        """A call whose sound begins at ``begun``, Unix seconds."""

    def show(self, item: AnyEvent | AlertChange) -> None:
        """What was heard or found next."""

    def end(self) -> None:
        """Nothing follows."""


class Lines:
    """NDJSON: the record and the alert changes of the contract, in the order in which they came."""

    def begin(self, call: str, file: str, begun: float) -> None:
        """Each line names its call."""

    def show(self, item: AnyEvent | AlertChange) -> None:
        """One line."""
        line = alerts.render(item) if isinstance(item, AlertChange) else events.render(item)
        sys.stdout.write(line.decode() + "\n")
        sys.stdout.flush()

    def end(self) -> None:
        """Nothing is open."""


class Page:
    """For people. On a terminal the unfinished sentences stand below and grow."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live = Live(console=self._console, transient=True) if self._console.is_terminal else None
        self._open: dict[Role, Text] = {}
        self._begun = 0.0
        if self._live:
            self._live.start()

    def begin(self, call: str, file: str, begun: float) -> None:
        """A heading."""
        self._begun = begun
        self._open.clear()
        self._print(Text(f"{call}  {file}" if call not in file else file, style="bold"))

    def show(self, item: AnyEvent | AlertChange) -> None:
        """A sentence, an alert, what the phone did, a gap; marks and watermarks are for machines."""
        if isinstance(item, AlertChange):
            self._alert(item)
        elif isinstance(item, Transcript):
            self._said(item)
        elif isinstance(item, Gap):
            lost = f"有 {item.end - item.start:.1f} 秒没有听到({item.reason or '原因不明'})"
            self._print(self._line(item.start, WHO[item.role], Text(lost, style="magenta")))
        elif text := _phone(item):
            self._print(self._line(item.at, "电话", Text(text, style="dim")))

    def end(self) -> None:
        """Nothing follows."""
        if self._live:
            self._live.stop()

    def _said(self, said: Transcript) -> None:
        self._open.pop(said.role, None)
        mark = Text(f"{said.text}" + ("  据音" if said.by_sound else ""), style=_STYLES[said.role])
        if said.by_sound:
            mark.stylize("dim", len(said.text))
        if said.text and not said.final:
            mark.append(" …")
            self._open[said.role] = self._line(said.start, WHO[said.role], mark)
        self._refresh()
        if said.final:
            self._print(self._line(said.start, WHO[said.role], mark))

    def _alert(self, change: AlertChange) -> None:
        sign, word, style = SIGNS[change.severity], SEVERITY_ZH[change.severity], _SEVERITY_STYLES[change.severity]
        trial = "[试行] " if change.trial else ""
        over = change.state == "cleared"
        text = Text(f"{sign} {word} {_STATE.get(change.state, '')}{trial}{change.says}", style="dim" if over else style)
        if not over:
            clause = change.clause
            text.append(f"\n{' ' * 15}《{clause.title or clause.manual}》{clause.section}", style="not bold dim")
        self._print(self._line(change.at, "告警", text))

    def _line(self, at: float, who: str, text: Text) -> Text:
        return Text.assemble((f"{_clock(at - self._begun):>8}  ", "dim"), f"{who} ", text)

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _refresh(self) -> None:
        if self._live:
            self._live.update(Text("\n").join(self._open.values()))


def _clock(seconds: float) -> str:
    """``65.25`` -> ``1:05.2``; before the beginning of the sound it is negative."""
    tenths = round(abs(seconds) * 10)
    return f"{'-' if seconds <= -0.05 else ''}{tenths // 600}:{tenths % 600 / 10:04.1f}"


def _phone(event: Event) -> str:  # noqa: PLR0911 - a table of sentences
    """What the phone did; empty for other events."""
    match event:
        case CallOffered(caller=caller, queue=queue):
            return " ".join(part for part in (caller and mask(caller), "来电", queue and f"{queue}队列") if part)
        case AgentRinging(agent=agent, agent_name=name):
            return f"{agent_zh(agent, name)}振铃"
        case AgentMissed(agent=agent):
            return f"{agent_zh(agent, None)}未接"
        case CallAnswered(agent=agent, agent_name=name):
            return f"{agent_zh(agent, name)}接听"
        case CallHeld(by=by):
            return f"{WHO[by]}保持通话"
        case CallResumed():
            return "恢复通话"
        case CallTransferring(to=to):
            return f"转接给{agent_zh(to, None)}" if to else "转接"
        case CallTransferred(agent=agent, agent_name=name):
            return f"已转接,{agent_zh(agent, name)}接听"
        case TransferFailed():
            return "转接未成功"
        case CallEnded(by=by):
            return _ENDED_BY[by]
    return ""
