"""What really happened in each capture: the log of the scripted phones, which knows nothing of Asterisk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.asterisk_tools import FOLDER


@dataclass(frozen=True)
class Truth:
    """What the phones did in one customer's call; times in Unix seconds."""

    rings: list[tuple[str, float, float, str]]  # agent, from, to, answered | cancelled
    holds: list[tuple[float, float]]
    waits: list[tuple[float, float]]  # transfers: request, answer of the colleague
    ended: float
    by: str


def truths(name: str) -> dict[str, Truth]:
    """By customer's number."""
    log = json.loads((FOLDER / f"{name}.truth.json").read_text("utf-8"))["log"]
    customers = sorted({e["ua"] for e in log if e["ev"] == "invite_sent" and len(e["ua"]) > 3})
    return {customer: _truth(customer, _of(log, customer, customers)) for customer in customers}


def _of(log: list[Any], customer: str, customers: list[str]) -> list[Any]:
    """What concerns this customer: of agents' events those with this peer, or all where there is but one customer."""
    alone = len(customers) == 1
    return [e for e in log if e["ev"] != "plan" and (e.get("ua") == customer or alone or e.get("peer") == customer)]


def _truth(customer: str, log: list[Any]) -> Truth:
    ended, by = _end(customer, log)
    return Truth(list(_rings(log)), list(_holds(log)), list(_waits(log)), ended, by)


def _rings(log: list[Any]) -> Iterator[tuple[str, float, float, str]]:
    for i, e in enumerate(log):
        if e["ev"] == "ringing_180":
            last = next(
                x for x in log[i:] if x.get("ua") == e["ua"] and x["ev"] in ("answer_200", "cancel_recv", "bye_recv")
            )
            yield e["ua"], e["t"], last["t"], "answered" if last["ev"] == "answer_200" else "cancelled"


def _holds(log: list[Any]) -> Iterator[tuple[float, float]]:
    """A hold ends with the re-INVITE that takes it back, or with the attended transfer."""
    for i, e in enumerate(log):
        if e["ev"] == "reinvite" and e["dir"] == "sendonly":
            yield e["t"], next(x["t"] for x in log[i + 1 :] if x["ev"] in ("reinvite", "refer_sent", "bye_sent"))


def _waits(log: list[Any]) -> Iterator[tuple[float, float]]:
    for i, e in enumerate(log):
        blind = e["ev"] == "refer_sent" and not e.get("attended")
        if blind or e["ev"] in ("ami_BlindTransfer", "ami_Atxfer", "ami_Redirect"):
            yield e["t"], next(x["t"] for x in log[i:] if x["ev"] == "answer_200")


def _end(customer: str, log: list[Any]) -> tuple[float, str]:
    for i, e in enumerate(log):
        if e["ev"] == "ami_Hangup":
            return e["t"], "system"
        if e.get("ua") == customer and e["ev"] in ("bye_sent", "cancel_sent"):
            return e["t"], "customer"
        if e.get("ua") == customer and e["ev"] == "bye_recv":
            return next(x["t"] for x in reversed(log[:i]) if x["ev"] == "bye_sent"), "agent"
    raise AssertionError(f"{customer}: no end in the truth")
