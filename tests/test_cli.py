"""The command line: what is said and which exit code it gives where something is wrong, and that nothing is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams import cli
from streams.rulebook.book import load
from tests.conftest import Run

CAPTURES = Path(__file__).parent / "traces" / "asterisk"
STRICT = Path(__file__).parent / "rulebooks" / "strict"


# ---------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("command", [("kafka", "status"), ("kafka", "start"), ("topics", "check"), ("config", "show")])
def test_a_wrong_setting_is_told_in_a_line_by_every_command(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command, SANSHENG_WALL__PORT="abc", SANSHENG_KAFKA_PORT="abc")
    assert done.code == 2
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["setting kafka_port", "setting wall.port"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("[wal]\n", "setting wal: no such setting; did you mean wall?"), ("= 1", "sansheng.toml is not TOML")],
)
@pytest.mark.parametrize("command", [("kafka", "status"), ("topics", "apply"), ("rules", "check")])
def test_a_wrong_settings_file_is_told_in_a_line_by_every_command(
    run: Run, command: tuple[str, ...], text: str, said: str
) -> None:
    Path("sansheng.toml").write_text(text)
    done = run(*command)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert said in done.err


def test_square_brackets_in_a_settings_fault_are_text(run: Run) -> None:
    done = run("config", "show", SANSHENG_WALL__TIMEZONE="[/red]")
    assert done.code == 2
    assert "unknown timezone '[/red]' (a name such as Asia/Shanghai)" in done.err


def test_config_show_prints_every_value_whole_and_as_text(run: Run) -> None:
    prefix = "[/b]" + "long-" * 40
    done = run("config", "show", SANSHENG_TOPIC_PREFIX=prefix)
    assert done.code == 0
    assert prefix in done.out


# ----------------------------------------------------------------------------------------------- rulebook


def test_square_brackets_in_an_overlay_are_text(run: Run) -> None:
    Path("site.yaml").write_text('why: "[/red] x"\nadd: {apology: ["[那]不好意思哈"]}\n')
    done = run("rules", "check", "site.yaml")
    assert (done.code, done.err) == (
        0,
        "overlay site.yaml: [/red] x\n  site.yaml:2: add apology: new: ['[那]不好意思哈']\n",
    )
    Path("site.yaml").write_text('"[/red]": 1\n')
    done = run("rules", "check", "site.yaml")
    assert done.code == 2
    assert "unknown section '[/red]'" in done.err


# ------------------------------------------------------------------------------------------------ replay


def named_ana(folder: Path) -> Path:
    """The record of a long ring, with an agent whose id and queue look like markup."""
    file = folder / "ana.ndjson"
    file.write_text(
        '{"v":1,"type":"call.offered","at":1000.0,"call":"c1","queue":"[red]q"}\n'
        '{"v":1,"type":"agent.ringing","at":1001.0,"call":"c1","agent":"[/b]Ana"}\n'
        '{"v":1,"type":"call.answered","at":1060.0,"call":"c1","agent":"[/b]Ana"}\n'
    )
    return file


def test_square_brackets_in_a_replayed_agent_are_text(run: Run, tmp_path: Path) -> None:
    done = run("replay", str(named_ana(tmp_path)), "--format", "table")
    assert done.code == 0, done.err
    assert "[/b]Ana" in done.out


@pytest.mark.parametrize("columns", ["40", "80", "500"])
def test_a_replayed_sentence_is_whole_in_a_pipe(run: Run, columns: str) -> None:
    trace = str(CAPTURES / "e_hold.jsonl")
    arguments = ("replay", "--from", "asterisk", trace, "--rulebook", str(STRICT))
    lines = run(*arguments).out.splitlines()
    table = run(*arguments, "--format", "table", COLUMNS=columns).out
    assert lines
    for line in lines:
        assert cli.alerts.parse(line).says in table


def test_a_replayed_sentence_folds_in_a_narrow_terminal(run: Run) -> None:
    trace = str(CAPTURES / "e_hold.jsonl")
    arguments = ("replay", "--from", "asterisk", trace, "--rulebook", str(STRICT))
    changes = [cli.alerts.parse(line) for line in run(*arguments).out.splitlines()]
    table = run(*arguments, "--format", "table", COLUMNS="80", FORCE_COLOR="1").out
    assert changes
    assert "…" not in table
    said = "".join(line.split("│")[-2].strip() for line in table.splitlines() if line.count("│") > 5)
    for change in changes:
        assert change.says.replace(" ", "") in said.replace(" ", "")


def test_a_capture_replayed_as_a_record_is_refused_with_a_hint(run: Run) -> None:
    done = run("replay", str(CAPTURES / "e_hold.jsonl"), str(CAPTURES / "d_abandon.jsonl"))
    assert done.code == 1
    assert done.err.count("--from asterisk") == 1
    assert "e_hold.jsonl: nothing could be read from it" in done.err


def test_a_file_of_which_nothing_can_be_read_is_refused_without_a_wrong_hint(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.ndjson").write_text("no\nrecord\n")
    for command in (("replay",), ("record",)):
        done = run(*command, "x.ndjson")
        assert done.code == 1
        assert "x.ndjson: nothing could be read from it" in done.err
        assert "--from" not in done.err


def test_a_file_that_can_be_read_in_part_or_is_empty_is_judged(run: Run, tmp_path: Path) -> None:
    with named_ana(tmp_path).open("a") as file:
        file.write("garbage\n")
    Path("empty.ndjson").touch()
    done = run("replay", "ana.ndjson", "empty.ndjson")
    assert done.code == 0
    assert "1 problem(s) were met" in done.err
    assert done.out


def test_only_replay_reads_the_archive(run: Run, tmp_path: Path) -> None:
    for command in (("record",), ("rules", "explain", "--rule", "long-hold", "--call", "c1")):
        done = run(*command, named_ana(tmp_path), "--from", "archive")
        assert done.code == 2, command
        assert "only `sansheng replay` reads the archive" in done.err.replace("\n", " ").replace("│", "").replace(
            "  ", " "
        )


# ------------------------------------------------------------------------------------------- odd arguments


def test_kafka_start_on_a_file_says_that_it_is_in_the_way(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for data in ("file", "file/below"):
        done = run("kafka", "start", "--data", data)
        assert done.code == 1
        assert "cannot be made a folder: a file is in the way" in done.err


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("option", ["--speed", "--gap", "--stagger"])
def test_pbx_play_wants_numbers_that_are_numbers(run: Run, option: str, value: str) -> None:
    done = run("pbx", "play", str(CAPTURES / "e_hold.jsonl"), "--port", "0", option, value)
    assert done.code == 2
    assert option in done.err


@pytest.mark.parametrize("value", ["nan", "inf", "0"])
def test_demo_wants_a_speed_that_is_a_number(run: Run, value: str) -> None:
    done = run("demo", "--speed", value)
    assert done.code == 2
    assert "--speed" in done.err


def test_the_default_rulebook_passes_the_check(run: Run) -> None:
    assert f"rulebook {load().version}: " in run("rules", "check").out
