"""Manuals, book and docs/coverage.md hold together: each clause that rules a call is watched, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from streams import rules_cli
from streams.rulebook.book import load
from streams.rulebook.coverage import Row, as_markdown, coverage
from streams.rulebook.sources import Manual, Passage, plain, read_sources

ROOT = Path(__file__).parent.parent
FOLDER = ROOT.parent / "shared" / "manuals"
BOOK, MANUALS = load(), read_sources()
ROWS = coverage(BOOK, MANUALS)


def told(rows: list[Row]) -> str:
    return "\n".join(f"{row.manual} {row.passage.section}: {row.passage.text}" for row in rows)


def test_every_clause_is_watched_or_it_is_said_why_not() -> None:
    gaps = [row for row in ROWS if row.gap]
    assert not gaps, f"{len(gaps)} clauses: quote each in a rule's `also`, or say `not_watched`\n{told(gaps)}"


def test_no_reason_outlives_the_rule_that_watches_its_clause() -> None:
    stale = [row for row in ROWS if row.stale]
    assert not stale, f"{len(stale)} clauses are watched: take out their `not_watched`\n{told(stale)}"


def test_the_page_is_that_of_the_book() -> None:
    page = (ROOT / "docs" / "coverage.md").read_text("utf-8")
    assert page == as_markdown(BOOK, MANUALS), "make it anew: sansheng rules coverage > docs/coverage.md"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the manuals are not here")
@pytest.mark.parametrize("name", MANUALS)
def test_each_clause_stands_in_the_manual_word_for_word(name: str) -> None:
    words = plain((FOLDER / MANUALS[name].file).read_text("utf-8"))
    missing = [passage.text for passage in MANUALS[name].clauses if plain(passage.text) not in words]
    assert not missing, "\n".join(missing)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the manuals are not here")
def test_no_sentence_of_the_chapters_that_rule_calls_is_left_out() -> None:
    """Headings aside, what stands between the first and the last clause of a chapter is in some clause."""
    for name, begins, ends in (
        ("002", "3.1.1客服员须", "“下班了,快点啦!”"),
        ("002", "第六十条客户来电", "第七十七条通话结束后,客服代表应就通话内容进行记录"),
        ("003", "2.1咨询受理", "业务办理完毕,向客户提供相关凭证"),
    ):
        words = plain((FOLDER / MANUALS[name].file).read_text("utf-8"))
        chapter = words[words.index(plain(begins)) : words.index(plain(ends))]
        for passage in sorted(MANUALS[name].clauses, key=lambda p: -len(p.text)):
            chapter = chapter.replace(plain(passage.text), "|")
        left = [piece for piece in chapter.split("|") if len(piece) > 24]
        assert not left


def test_each_manual_names_each_section_in_one_way() -> None:
    for manual in MANUALS.values():
        names = [plain(section) for section in manual.sections]
        assert len(names) == len(set(names))


def test_a_quote_watches_the_clauses_that_it_is_from() -> None:
    manual = Manual(
        "x", clauses=(Passage("1", "先说甲。"), Passage("1", "再说乙,"), Passage("1", "后说丙。"), Passage("2", "甲"))
    )
    texts = {
        "说甲": ["先说甲。"],
        "再说乙,后说丙": ["再说乙,", "后说丙。"],
        "先…丙": ["先说甲。", "后说丙。"],
        "": ["先说甲。", "再说乙,", "后说丙。"],
        "丁": [],
    }
    for quote, found in texts.items():
        assert [passage.text for passage in manual.quoted("1", quote)] == found, quote


def test_a_rule_that_does_not_fire_watches_nothing() -> None:
    passage = Passage("1", "说")
    rule = BOOK.rules[0]
    for status, watched in (("live", True), ("trial", True), ("draft", False), ("retired", False)):
        row = Row("000", passage, (msgspec.structs.replace(rule, status=status, status_because=""),))
        assert (row.watched, row.gap) == (watched, not watched)
        row = Row("000", passage, (msgspec.structs.replace(rule, status=status, status_because="off by default"),))
        assert (row.watched, row.gap, row.reasons) == (watched, False, [] if watched else ["off by default"])
    assert not Row("000", Passage("1", "说", "reason"), ()).gap
    assert Row("000", Passage("1", "说", "reason"), (msgspec.structs.replace(rule, status="live"),)).stale


def test_the_page_tells_gaps_reasons_and_rules() -> None:
    clause = BOOK.rules[0].clause
    manuals = {
        **MANUALS,
        "900": Manual(
            "x", clauses=(Passage("1", "1* 无人|看管"), Passage("2", "看不见", "too dark"), Passage("3", "说" * 99))
        ),
    }
    rule = msgspec.structs.replace(
        BOOK.rules[0],
        id="cites",
        status="trial",
        clause=msgspec.structs.replace(clause, manual="900", section="3", quote="说说"),
    )
    page = as_markdown(msgspec.structs.replace(BOOK, rules=(rule,)), manuals)
    assert "| 1 | 1\\* 无人\\|看管 | **gap** |" in page
    assert "| 2 | 看不见 | too dark |" in page
    assert f"| 3 | {'说' * 63}… | `cites` (trial) |" in page
    assert "| 900 x | 3 | 1 | 1 | 1 |" in page


def test_the_commands_print_what_is_committed() -> None:
    for command, file in (("coverage", "docs/coverage.md"), ("schema", "streams/rulebook/rulebook.schema.json")):
        done = CliRunner().invoke(rules_cli.app, [command])
        assert done.exit_code == 0
        assert done.stdout == (ROOT / file).read_text("utf-8")
