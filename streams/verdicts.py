"""What people make of an alert: the ``verdicts`` topic, and how an alert stands after all that was said about it.

Owns who may follow whom (an alert that is decided must be reopened before it is decided anew) and what a rule's
precision is. Knows nothing of users, their rights, or how a verdict gets here.

::

    open ──claimed──▶ open, somebody's ──resolved──▶ true ──┐
      │ ◀─released──        └────────false_alarm──▶ false ──┤ reopened ──▶ open, nobody's
      └─────────────────────────────────────────────────────┘
    appealed (by the agent) ──upheld──▶ false        ──dismissed──▶ as it was

A false alarm gives the agent what an open appeal asks for, so it answers it. Reopening takes an answer back, and the
agent may appeal again. Who wants what somebody else has claimed has it released first, so that everybody sees it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

Action = Literal[
    "claimed", "released", "resolved", "false_alarm", "reopened", "commented", "appealed", "upheld", "dismissed"
]
#: Why an alert was false. ``misheard``: the words were not said; ``exempt``: with good reason; ``rule``: it is wrong
#: or too strict; ``technical``: phones or computers; ``other``: see the text.
Reason = Literal["misheard", "exempt", "rule", "technical", "other"]
#: ``true``: the rule was right; ``false``: a false alarm.
Finding = Literal["open", "true", "false"]
Appeal = Literal["none", "open", "upheld", "dismissed"]

#: What people found is counted over the last seven days, seconds, by when an alert opened; nothing older is kept.
WEEK_S = 7 * 86_400.0
#: The longest comment, characters.
TEXT = 500
#: So much is said about one alert at most, so that nobody can fill every wall; then nothing makes sense any more.
MOST_SAID = 200
#: So many refused judgements are remembered of an alert; one comes again within seconds, if at all.
REFUSED = 20
#: A snooze lasts this long at most, minutes.
SNOOZE_MOST_MIN = 480


class Judgement(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="judgement"):
    """One thing that one person did with one alert. ``at``: Unix seconds; ``text``: numbers masked already.

    ``by`` is the login, ``by_name`` the person; ``agent``, ``rule``, ``queue`` are those of the alert, so that figures
    need no second topic. ``id`` is made once, so that a redelivery is recognised.
    """

    id: str
    alert: str
    call: str
    rule: str
    action: Action
    by: str
    by_name: str
    at: float
    agent: str | None = None
    queue: str | None = None
    reason: Reason | None = None
    text: str = ""


class Snooze(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="snooze"):
    """Alerts of ``rule`` in ``queue`` ("": in every queue) stay off the walls until ``until``, Unix seconds.

    One for the same rule and queue replaces the one before; one whose ``until`` is not after ``at`` lifts it.
    """

    id: str
    rule: str
    queue: str
    until: float
    by: str
    by_name: str
    at: float
    text: str = ""

    @property
    def key(self) -> str:
        """Its key on the topic: no call's id begins so."""
        return f"~snooze:{self.rule}:{self.queue}"


Verdict = Judgement | Snooze


def key_of(verdict: Verdict) -> str:
    """The message's key: the call, so that all about one alert stays in order."""
    return verdict.key if isinstance(verdict, Snooze) else verdict.call


def render(verdict: Verdict) -> bytes:
    """As JSON."""
    return msgspec.json.encode(verdict)


_decoder = msgspec.json.Decoder(Judgement | Snooze)


def parse(line: bytes | str) -> Verdict:
    """Raises msgspec.MsgspecError where it is none."""
    verdict: Verdict = _decoder.decode(line)
    return verdict


class Standing(Struct, frozen=True, omit_defaults=True):
    """How an alert stands: whose it is, what was found, and everything that was done, oldest first.

    ``refused``: ids of what made no sense when it came; coming again it must not make sense all at once.
    """

    claimed_by: str = ""
    claimed_name: str = ""
    finding: Finding = "open"
    reason: Reason | None = None
    appeal: Appeal = "none"
    history: tuple[Judgement, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def decided_at(self) -> float | None:
        """When the finding was made, Unix seconds; None: there is none."""
        if self.finding == "open":
            return None
        return next((j.at for j in reversed(self.history) if j.action in _DECIDES), None)

    @property
    def comments(self) -> int:
        """How many texts stand beside it."""
        return sum(bool(j.text) for j in self.history)


#: What makes a finding.
_DECIDES: frozenset[Action] = frozenset({"resolved", "false_alarm", "upheld"})


def makes_sense(standing: Standing, action: Action) -> bool:
    """Whether ``action`` can follow; two screens may decide at the same time, and the first counts."""
    if len(standing.history) >= MOST_SAID:
        return False
    is_open = standing.finding == "open"
    return {
        "claimed": is_open and not standing.claimed_by,
        "released": is_open and bool(standing.claimed_by),
        "resolved": is_open,
        "false_alarm": is_open,
        "reopened": not is_open,
        "commented": True,
        "appealed": standing.appeal == "none" and standing.finding != "false",
        "upheld": standing.appeal == "open",
        "dismissed": standing.appeal == "open",
    }[action]


def judge(standing: Standing, judgement: Judgement) -> Standing:
    """Fold one in. One that comes again changes nothing; one that makes no sense any more is only noted as refused."""
    if judgement.id in standing.refused or any(j.id == judgement.id for j in standing.history):
        return standing
    if not makes_sense(standing, judgement.action):
        return replace(standing, refused=(*standing.refused, judgement.id)[-REFUSED:])
    return replace(standing, history=(*standing.history, judgement), **_changes(standing, judgement))


def _changes(standing: Standing, judgement: Judgement) -> dict[str, Any]:
    is_false = {"finding": "false", "reason": judgement.reason or "other"}
    settled = {"appeal": "upheld"} if standing.appeal == "open" else {}
    again = {} if standing.appeal == "open" else {"appeal": "none"}
    changes: dict[Action, dict[str, Any]] = {
        "claimed": {"claimed_by": judgement.by, "claimed_name": judgement.by_name},
        "released": _NOBODYS,
        "resolved": {"finding": "true"},
        "false_alarm": {**is_false, **settled},
        "reopened": {"finding": "open", "reason": None, **_NOBODYS, **again},
        "appealed": {"appeal": "open"},
        "upheld": {"appeal": "upheld", **is_false},
        "dismissed": {"appeal": "dismissed"},
    }
    return changes.get(judgement.action, {})


_NOBODYS = {"claimed_by": "", "claimed_name": ""}


class Precision(Struct, frozen=True):
    """Alerts of one rule: how many people found right, how many wrong, how many nobody has judged."""

    right: int = 0
    wrong: int = 0
    undecided: int = 0

    @property
    def share(self) -> float | None:
        """Right ones of all that were judged; None: none was."""
        judged = self.right + self.wrong
        return self.right / judged if judged else None


def precision(findings: Iterable[Finding]) -> Precision:
    """Of the alerts of one rule."""
    found = list(findings)
    return Precision(found.count("true"), found.count("false"), found.count("open"))
