"""``sansheng hear``: files of sound become the record and its alerts, without a broker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from asr.ear import Engine
from asr.hear import NoSuchCallError, Options, Pace, Phone, recording, run
from asr.scripted import LoudDetector, ScriptedRecogniser, silence, speak
from asr.show import Page
from asr.sources.wav import BadSoundError, WavFile
from streams import alerts
from streams.alerts import AlertChange
from streams.events import AnyEvent, CallAnswered, CallEnded, Transcript, parse
from streams.problem import Problem
from streams.replay import read_record, replay
from streams.rulebook.book import load
from streams.settings import Settings

SHARED = Path(__file__).parents[1].parent / "shared"
RATE = 8000
ENGINE = Engine(ScriptedRecogniser(delay_s=0.2), detector=LoudDetector)
#: What each says, one second a line, in turn.
RUDE = [("agent", "喂有什么事快说"), ("customer", "你这是什么态度我要投诉你"), ("agent", "不行就是不行这是规定")]


@pytest.fixture(scope="module")
def book():
    return load()


def wav(path: Path, *channels: bytes) -> Path:
    length = max(len(pcm) for pcm in channels) // 2
    sound = np.zeros((length, len(channels)), "<i2")
    for n, pcm in enumerate(channels):
        sound[: len(pcm) // 2, n] = np.frombuffer(pcm, "<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((len(channels), 2, RATE, length, "NONE", ""))
        file.writeframes(sound.tobytes())
    return path


def dialogue(path: Path, lines: list[tuple[str, str]] = RUDE) -> Path:
    """Each line is spoken by one party while the other is silent."""
    sides = {"agent": bytearray(silence(0.5)), "customer": bytearray(silence(0.5))}
    for role, text in lines:
        said = speak(text, 0.2) + silence(1.0)
        for side in sides:
            sides[side] += said if side == role else bytes(len(said))
    return wav(path, bytes(sides["agent"]), bytes(sides["customer"]))


def record(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps({"call": "c", **row}, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def heard(capsys: pytest.CaptureFixture[str]) -> tuple[list[AnyEvent], list[AlertChange]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return (
        [parse(json.dumps(line)) for line in lines if "type" in line],
        [alerts.parse(json.dumps(line)) for line in lines if "rule" in line],
    )


def finals(events: list[AnyEvent]) -> list[tuple[str, str]]:
    return [(e.role, e.text) for e in events if isinstance(e, Transcript) and e.final]


def ndjson(files: list[Path], book, **options: object) -> int:
    return run(files, Options(output="ndjson", **options), ENGINE, book)


# ------------------------------------------------------------------------------------------------- hearing


def test_the_left_channel_is_the_agent_and_the_right_one_the_customer(tmp_path, book, capsys):
    assert ndjson([dialogue(tmp_path / "c.wav")], book) == 0
    assert finals(heard(capsys)[0]) == RUDE


def test_alerts_come_among_the_words_while_the_sentence_goes_on(tmp_path, book, capsys):
    ndjson([dialogue(tmp_path / "c.wav")], book)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    alert = next(n for n, line in enumerate(lines) if line.get("rule") == "forbidden-arrogance")
    final = next(n for n, line in enumerate(lines) if line.get("final") and line["text"] == RUDE[2][1])
    assert alert < final


def test_the_record_that_is_printed_replays_to_the_same_alerts(tmp_path, book, capsys):
    ndjson([dialogue(tmp_path / "c.wav")], book)
    events, changes = heard(capsys)
    again = [item for item in replay(book, events) if isinstance(item, AlertChange)]
    assert {(c.id, c.state, c.severity, c.at) for c in changes} == {(c.id, c.state, c.severity, c.at) for c in again}
    assert changes


def test_what_is_printed_is_a_record_for_replay_without_complaint(tmp_path, book, capsys):
    ndjson([dialogue(tmp_path / "c.wav")], book)
    printed = tmp_path / "printed.ndjson"
    printed.write_text(capsys.readouterr().out + '{"id": "a", "rule": "b"}\n', "utf-8")
    *events, problem = read_record(printed)
    assert isinstance(problem, Problem), "half an alert is no alert"
    assert "type" in str(problem)
    assert not [event for event in events if isinstance(event, Problem)]


def test_without_events_an_answer_and_an_end_are_made_up(tmp_path, book, capsys):
    ndjson([dialogue(tmp_path / "call-7.wav")], book)
    events = heard(capsys)[0]
    assert {event.call for event in events} == {"call-7"}
    assert isinstance(events[0], CallAnswered)
    assert isinstance(events[-1], CallEnded)
    assert events[-1].at - events[0].at == pytest.approx(WavFile(tmp_path / "call-7.wav").seconds)


def test_the_agent_whom_nobody_knows_is_called_just_that(tmp_path, book, capsys):
    ndjson([dialogue(tmp_path / "c.wav")], book)
    says = [change.says for change in heard(capsys)[1]]
    assert any("坐席" in text for text in says)
    assert not any("坐席 号坐席" in text for text in says)


def test_the_last_word_of_a_file_is_heard(tmp_path, book, capsys):
    ndjson([wav(tmp_path / "c.wav", speak("谢谢再见"), b"")], book)
    assert finals(heard(capsys)[0]) == [("agent", "谢谢再见")]


def test_of_the_events_only_the_telephones_are_taken(tmp_path, book, capsys):
    rows = (
        {"type": "call.offered", "at": 990.0, "queue": "hotline"},
        {"type": "call.answered", "at": 1000.0, "agent": "8026"},
        {"type": "speech.started", "at": 1001.0, "role": "agent"},
        {
            "type": "transcript",
            "at": 1003.0,
            "role": "agent",
            "text": "真话",
            "start": 1001,
            "end": 1002,
            "final": True,
        },
        {"type": "call.ended", "at": 1010.0, "by": "customer"},
    )
    ndjson([dialogue(tmp_path / "c.wav")], book, events=record(tmp_path / "c.ndjson", *rows))
    events = heard(capsys)[0]
    assert finals(events) == RUDE
    assert next(event.at for event in events if isinstance(event, Transcript)) > 1000.0
    first = next(event for event in events if isinstance(event, Transcript) and event.final)
    assert first.start == pytest.approx(1000.5)


def test_a_held_leg_is_not_heard_and_nothing_is_after_the_end(tmp_path, book, capsys):
    rows = (
        {"type": "call.answered", "at": 1000.0, "agent": "8026"},
        {"type": "call.held", "at": 1002.2},
        {"type": "call.resumed", "at": 1005.8},
        {"type": "call.ended", "at": 1008.8, "by": "customer"},
    )
    file = dialogue(tmp_path / "c.wav", [*RUDE, ("agent", "没有人听见")])
    ndjson([file], book, events=record(tmp_path / "c.ndjson", *rows))
    events = heard(capsys)[0]
    assert finals(events) == [RUDE[0], RUDE[2]]
    assert max(event.at for event in events) == 1008.8


def test_files_of_several_calls_find_theirs_by_name(tmp_path, book, capsys):
    starts = {"a": 500.0, "b": 900.0}
    rows = [{"type": "call.answered", "call": name, "at": at, "agent": "1"} for name, at in starts.items()]
    both = record(tmp_path / "both.ndjson", *rows)
    ndjson([dialogue(tmp_path / "b.wav"), dialogue(tmp_path / "a.wav")], book, events=both)
    events = heard(capsys)[0]
    assert {e.call: e.at for e in events if isinstance(e, CallAnswered)} == starts


def test_speed_one_takes_as_long_as_the_call(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr("asr.hear.time.sleep", slept.append)
    monkeypatch.setattr("asr.hear.time.monotonic", lambda: 50.0)
    for speed, waits in ((1.0, [0.0, 4.0]), (2.0, [0.0, 2.0]), (0.0, [])):
        slept.clear()
        pace = Pace(speed, begun=1000.0)
        for at in (990.0, 1000.0, 1004.0):
            pace(at)
        assert [wait for wait in slept if wait] == [wait for wait in waits if wait]


# ------------------------------------------------------------------------------------------------- the real engine


@pytest.fixture(scope="module")
def real(book):
    if not (SHARED / "models").is_dir():
        pytest.skip(f"no models and calls at {SHARED}")
    from asr import engines  # noqa: PLC0415 - only where there is a model

    return engines.load(Settings(models=SHARED / "models"), book)


@pytest.mark.parametrize("call", ["escalation", "rude-agent", "look-alikes", "dead-air", "silent-call-left-early"])
def test_a_spoken_call_gives_the_alerts_of_its_written_record(real, book, capsys, call):
    """Its sentences are misheard by the character, and by no sound that matters to a rule."""
    written = SHARED / "speech" / "calls" / f"{call}.ndjson"
    run([written.with_suffix(".wav")], Options(output="ndjson", events=written), real, book)
    changes = heard(capsys)[1]
    wanted = [item for item in replay(book, read_record(written)) if isinstance(item, AlertChange)]
    assert standing(changes) == standing(wanted)


def standing(changes: list[AlertChange]) -> set[tuple[str, str, str]]:
    """The alerts as they are at the end."""
    return {(c.rule, c.state, c.severity) for c in {change.id: change for change in changes}.values()}


def test_without_a_model_it_says_how_to_get_one(tmp_path):
    places = {"SANSHENG_MODELS": str(tmp_path), "SANSHENG_RUN_DIR": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "hear", str(dialogue(tmp_path / "c.wav"))],
        env=os.environ | places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "sansheng models fetch" in " ".join(done.stderr.split())


# ------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT", "ULAW", "ALAW"])
def test_codings_of_wav_are_heard(tmp_path, subtype):
    pcm = np.frombuffer(speak("您好请讲"), "<i2") / 32768
    soundfile.write(tmp_path / "c.wav", pcm, RATE, subtype=subtype)
    frames = list(WavFile(tmp_path / "c.wav", "agent").frames("c", 0.0))
    stream = ScriptedRecogniser().stream(RATE)
    for frame in frames:
        stream.feed(frame.pcm)
    assert "".join(word.text for word in stream.finish()) == "您好请讲"
    assert [frame.samples for frame in frames] == [800] * 10
    assert [frame.last for frame in frames] == [False] * 9 + [True]


def test_sixteen_bit_samples_are_taken_as_they_are(tmp_path):
    pcm = np.arange(-32768, 32768, dtype="<i2").tobytes()
    frames = WavFile(wav(tmp_path / "c.wav", pcm), "agent").frames("c", 0.0)
    assert b"".join(frame.pcm for frame in frames) == pcm


def test_files_that_cannot_be_heard_are_named_with_the_mend(tmp_path):
    (tmp_path / "text.wav").write_text("no sound at all" * 9)
    (tmp_path / "empty.wav").touch()
    wav(tmp_path / "three.wav", *[silence(1)] * 3)
    wav(tmp_path / "one.wav", silence(1))
    wav(tmp_path / "two.wav", silence(1), silence(1))
    wav(tmp_path / "none.wav", b"")
    soundfile.write(tmp_path / "slow.wav", np.zeros(100), 4000)
    wanted = {
        "text.wav": "no file of sound",
        "empty.wav": "no file of sound",
        "missing.wav": "is no file",
        "three.wav": "3 channels",
        "none.wav": "holds no sound",
        "slow.wav": "4000 samples a second",
        "one.wav": "--role",
    }
    for name, text in wanted.items():
        role = None if name in ("three.wav", "one.wav", "missing.wav") else "agent"
        with pytest.raises(BadSoundError, match=f"{name}.*{text}"):
            WavFile(tmp_path / name, role)
    with pytest.raises(BadSoundError, match=r"two.wav: two channels.*--role"):
        WavFile(tmp_path / "two.wav", "agent")


def test_a_broken_file_stops_no_other(tmp_path, book, capsys):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    assert ndjson([tmp_path / "broken.wav", dialogue(tmp_path / "c.wav")], book) == 1
    out, err = capsys.readouterr()
    assert "broken.wav" in err
    assert RUDE[0][1] in out


def test_a_file_that_breaks_off_is_heard_up_to_there_and_told(tmp_path, book, capsys):
    cut = dialogue(tmp_path / "c.wav")
    seconds = WavFile(cut).seconds
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    assert ndjson([cut, dialogue(tmp_path / "next.wav")], book) == 1
    out, err = capsys.readouterr()
    events = [parse(line) for line in out.splitlines() if '"type"' in line]
    assert finals([event for event in events if event.call == "c"])[0] == RUDE[0]
    assert [event.call for event in events if isinstance(event, CallEnded)] == ["next"]
    assert re.search(rf"c.wav: breaks\s+off\s+after\s+{WavFile(cut).seconds:.1f}\s+of\s+{seconds:.1f}\s+s", err)


@pytest.mark.parametrize("size", [0, 0x7FFFF024, 0xFFFFFFFF])
def test_a_file_whose_length_was_not_known_when_it_was_begun_does_not_break_off(tmp_path, size):
    file = wav(tmp_path / "c.wav", speak("您好请讲"))
    whole = file.read_bytes()
    at = whole.index(b"data") + 4
    file.write_bytes(whole[:at] + size.to_bytes(4, "little") + whole[at + 4 :])
    try:
        sound = WavFile(file, "agent")
    except BadSoundError:
        assert size == 0, "libsndfile finds no sound where the size is 0"
        return
    assert not sound.breaks_off
    assert list(sound.frames("c", 0.0))[-1].last


def test_a_call_that_the_events_do_not_hold_is_an_error_that_says_which_they_hold(tmp_path):
    rows = [{"type": "call.answered", "call": name, "at": 1.0, "agent": "1"} for name in ("a", "b")]
    phone = Phone(record(tmp_path / "e.ndjson", *rows, {"type": "nonsense", "at": 1.0}))
    with pytest.raises(NoSuchCallError, match=r"no call c \(it holds a, b"):
        recording(dialogue(tmp_path / "c.wav"), None, phone)
    assert len(phone.problems) == 1


# ------------------------------------------------------------------------------------------------- printing


def test_for_people_it_shows_who_said_what_when_and_the_alert_with_its_clause(tmp_path, book, capsys):
    engine = ENGINE._replace(recogniser=ScriptedRecogniser(by_sound=True, delay_s=0.2), reader=Same())
    run([dialogue(tmp_path / "c.wav")], Options(), engine, book)
    out = capsys.readouterr().out
    assert "0:00.5  坐席 " in out
    assert out.count("据音") >= 3
    assert "…" not in out, "an unfinished sentence in a pipe"


def test_an_alert_has_its_sign_its_severity_and_its_clause(tmp_path, book, capsys):
    run([dialogue(tmp_path / "c.wav")], Options(), ENGINE, book)
    lines = capsys.readouterr().out.splitlines()
    alert = next(n for n, line in enumerate(lines) if "⬢ 严重" in line)
    assert lines[alert + 1].strip().startswith("《")


def test_for_people_no_number_of_a_caller_is_shown_whole(tmp_path, book, capsys):
    rows = (
        {"type": "call.offered", "at": 998.0, "caller": "13812345678", "called": "13912345678", "queue": "hotline"},
        {"type": "call.answered", "at": 1000.0, "agent": "8026"},
        {"type": "call.transferring", "at": 1006.0, "to": "13712345678"},
        {"type": "call.ended", "at": 1010.0, "by": "customer"},
    )
    file = dialogue(tmp_path / "c.wav")
    run([file], Options(events=record(tmp_path / "c.ndjson", *rows)), ENGINE, book)
    out = capsys.readouterr().out
    assert "138****5678 来电" in out
    assert "137****5678" in out
    assert "12345678" not in out


def test_on_a_terminal_the_unfinished_sentence_stands_below():
    console = Console(force_terminal=True, width=100, record=True)
    page = Page(console)
    page.begin("c", "c.wav", 0.0)
    said = Transcript(call="c", at=1.0, role="agent", text="您好请", start=0.0, end=1.0, final=False)
    page.show(said)
    assert page._open["agent"].plain.endswith("您好请 …")
    page.show(Transcript(call="c", at=2.0, role="agent", text="您好请讲", start=0.0, end=2.0, final=True))
    assert not page._open
    page.end()
    assert "您好请讲" in console.export_text()


class Same:
    """Reads every syllable as itself."""

    def read(self, sounds: list[str]) -> tuple[str, ...]:
        return tuple("字" for _ in sounds)
