"""Settings: where each comes from, which source wins, and that nothing misspelt is taken in silence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from streams.settings import (
    AsteriskSettings,
    MetricsSettings,
    Settings,
    SettingsError,
    Team,
    WallSettings,
    WallUser,
    config_file,
    read_settings,
)


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path) -> Iterator[None]:
    """An empty working directory and no SANSHENG_ variable."""
    with pytest.MonkeyPatch.context() as clean:
        for name in [name for name in os.environ if name.startswith("SANSHENG_")]:
            clean.delenv(name)
        clean.chdir(tmp_path)
        yield


def toml(text: str, name: str = "sansheng.toml") -> None:
    Path(name).write_text(text, "utf-8")


def test_the_defaults_stay_on_this_machine() -> None:
    settings = Settings()
    assert settings.bootstrap == "127.0.0.1:9392"
    assert {settings.wall.host, settings.metrics.host, settings.asterisk.host} == {"127.0.0.1"}
    assert (settings.partitions, settings.rulebook, settings.topic("calls")) == (16, [], "calls")


def test_the_environment_sets_plain_and_nested_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANSHENG_PARTITIONS", "4")
    monkeypatch.setenv("SANSHENG_TOPIC_PREFIX", "test-")
    monkeypatch.setenv("SANSHENG_WALL__PORT", "8400")
    monkeypatch.setenv("SANSHENG_WALL__TOKEN", "口令")
    monkeypatch.setenv("SANSHENG_RULEBOOK", '["a", "b/c"]')
    settings = Settings()
    assert (settings.partitions, settings.wall.port, settings.rulebook) == (4, 8400, [Path("a"), Path("b/c")])
    assert settings.wall.host == "127.0.0.1"
    assert settings.wall.token.get_secret_value() == "口令"
    assert settings.topic("calls") == "test-calls"


def test_the_broker_in_sansheng_kafka_is_used_instead_of_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANSHENG_KAFKA_PORT", "9999")
    assert Settings().bootstrap == "127.0.0.1:9999"
    monkeypatch.setenv("SANSHENG_KAFKA", "broker.example:9092")
    assert Settings().bootstrap == "broker.example:9092"


def test_a_toml_file_in_the_working_directory_is_read() -> None:
    toml('partitions = 3\nrulebook = ["规则"]\n[wall]\nport = 8500\n[asterisk]\nusername = "a"\n')
    settings = Settings()
    assert (settings.partitions, settings.wall.port, settings.asterisk.username) == (3, 8500, "a")
    assert settings.rulebook == [Path("规则")]


def test_sansheng_config_names_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("partitions = 3\n")
    toml("partitions = 5\n", "other.toml")
    monkeypatch.setenv("SANSHENG_CONFIG", "other.toml")
    assert config_file() == Path("other.toml")
    assert Settings().partitions == 5


def test_flags_win_over_the_environment_and_the_environment_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("partitions = 3\nahead_s = 30\ntick_delay_s = 0.5\n[wall]\nport = 8500\ntimezone = 'UTC'\n")
    monkeypatch.setenv("SANSHENG_PARTITIONS", "4")
    monkeypatch.setenv("SANSHENG_AHEAD_S", "40")
    monkeypatch.setenv("SANSHENG_WALL__PORT", "8400")
    settings = Settings(partitions=5)
    assert (settings.partitions, settings.ahead_s, settings.tick_delay_s) == (5, 40, 0.5)
    assert (settings.wall.port, settings.wall.timezone) == (8400, "UTC")


@pytest.mark.parametrize(
    "text", ["partitons = 3\n", "[wall]\nprot = 1\n", "[asterisk]\nuser = 'x'\n", "[metrics]\nall = 1\n"]
)
def test_a_key_that_is_unknown_is_refused_in_the_file(text: str) -> None:
    toml(text)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Settings()


def test_a_key_that_is_unknown_is_refused_in_a_flag_and_in_a_nested_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="partitons"):
        Settings(partitons=3)  # type: ignore[call-arg]
    monkeypatch.setenv("SANSHENG_WALL__PROT", "1")
    with pytest.raises(ValidationError, match="prot"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARTITIONS", "0"),
        ("PARTITIONS", "many"),
        ("KAFKA_PORT", "65536"),
        ("WALL__PORT", "-1"),
        ("TICK_DELAY_S", "6"),
        ("AHEAD_S", "0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SANSHENG_{name}", value)
    with pytest.raises(ValidationError, match=name.lower().replace("__", ".")):
        Settings()


def test_secrets_do_not_print() -> None:
    settings = Settings(
        asterisk=AsteriskSettings(secret=SecretStr("geheim")), wall=WallSettings(token=SecretStr("geheim"))
    )
    assert "geheim" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()


def in_a_child(settings: Settings) -> Settings:
    """What a child process makes of them, in the same working directory."""
    with pytest.MonkeyPatch.context() as child:
        for name, value in settings.as_environment().items():
            child.setenv(name, value)
        return Settings()


@pytest.mark.parametrize("path", ['rules "new"', "rules\\new", "rules\tnew"])
def test_a_rulebook_path_with_odd_characters_reaches_a_child_process(path: str) -> None:
    settings = Settings(rulebook=[Path(path)])
    assert in_a_child(settings) == settings


def test_a_flag_that_restores_a_default_reaches_a_child_process() -> None:
    toml("partitions = 3\n")
    settings = Settings(partitions=16)
    assert in_a_child(settings) == settings


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
path_letters = st.characters(codec="utf-8", exclude_characters='\\"', exclude_categories=["Cc"])
paths = st.text(path_letters, min_size=1, max_size=9)
ports = st.integers(0, 65535)
zones = st.sampled_from(["Asia/Shanghai", "UTC", "America/Argentina/Salta"])


@given(
    st.builds(
        dict,
        kafka=names,
        partitions=st.integers(1, 1024),
        topic_prefix=names,
        tick_delay_s=st.floats(0, 5),
        rulebook=st.lists(paths, max_size=3),
        asterisk=st.builds(AsteriskSettings, username=names.filter(bool), secret=names.map(SecretStr)),
        wall=st.builds(
            WallSettings,
            port=ports,
            token=names.map(SecretStr),
            timezone=zones,
            teams=st.dictionaries(names, st.builds(Team, agents=st.tuples(names), queues=st.tuples(names)), max_size=2),
            users=st.one_of(
                st.just(()),
                st.tuples(
                    st.builds(WallUser, login=st.just("li"), name=names, token=st.just(SecretStr("\u53e3\u4ee4")))
                ),
            ),
        ),
        metrics=st.builds(MetricsSettings, detect=ports),
    )
)
def test_settings_reach_a_child_process_whole(given_settings: dict[str, object]) -> None:
    settings = Settings(**given_settings)  # type: ignore[arg-type]
    assert in_a_child(settings) == settings


# ------------------------------------------------------------------------------------- what is told of a fault


def told() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings()
    return caught.value.faults


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "/etc/passwd", "../UTC", "Asia", "\ud800"])
def test_an_unknown_timezone_is_refused_with_an_example(zone: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(wall={"timezone": zone})
    (fault,) = caught.value.faults
    assert fault.startswith("setting wall.timezone: unknown timezone ")
    assert "a name such as Asia/Shanghai" in fault


def test_an_empty_asterisk_username_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANSHENG_ASTERISK__USERNAME", "")
    (fault,) = told()
    assert fault.startswith("setting asterisk.username: ")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SANSHENG_PARTITON", "SANSHENG_PARTITIONS"),
        ("SANSHENG_WALL_PORT", "SANSHENG_WALL__PORT"),
        ("sansheng_wal__token", "SANSHENG_WALL__TOKEN"),
        ("SANSHENG_WALL__PROT", "SANSHENG_WALL__PORT"),
        ("SANSHENG_CONFG", "SANSHENG_CONFIG"),
    ],
)
def test_an_unknown_variable_is_refused_once_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert told() == [f"unknown variable {name} (did you mean {nearest}?)"]


def test_variables_that_are_read_elsewhere_and_whole_sections_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANSHENG_CONFIG", "")
    monkeypatch.setenv("SANSHENG_TEST_KAFKA", "x")
    monkeypatch.setenv("SANSHENG_PBX_SECRET", "x")
    monkeypatch.setenv("SANSHENG_WALL", '{"port": 1}')
    monkeypatch.setenv("sansheng_partitions", "2")
    settings = read_settings(kafka=None)
    assert (settings.wall.port, settings.partitions) == (1, 2)


def test_every_setting_is_a_known_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in Settings().as_environment().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == Settings()


def test_a_settings_file_that_is_absent_or_a_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SANSHENG_CONFIG", "absent.toml")
    assert [fault.split(" (")[0] for fault in told()] == ["the settings file absent.toml does not exist"]
    monkeypatch.setenv("SANSHENG_CONFIG", str(tmp_path))
    assert [fault.split(" (")[0] for fault in told()] == [f"the settings file {tmp_path} is not a file"]


def test_a_source_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("partitions = = 3\n")
    assert told()[0].startswith("the file sansheng.toml is not TOML: ")
    Path("sansheng.toml").write_bytes(b"kafka = '\xff'")
    assert told()[0].startswith("the file sansheng.toml is not TOML: ")
    Path("sansheng.toml").unlink()
    monkeypatch.setenv("SANSHENG_WALL", "abc")
    (fault,) = told()
    assert fault.startswith("variable SANSHENG_WALL is no JSON: ")
    assert "SANSHENG_WALL__NAME for each" in fault


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANSHENG_PARTITON", "1")
    monkeypatch.setenv("SANSHENG_WALL__PORT", "abc")
    toml("[wal]\nport = 1\n")
    assert [fault.split(":")[0].split(" (")[0] for fault in told()] == [
        "unknown variable SANSHENG_PARTITON",
        "setting wall.port",
        "setting wal",
    ]


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("rules", ["rules"]),
        (os.pathsep.join(["a", "b c"]), ["a", "b c"]),
        ('["a", "b:c"]', ["a", "b:c"]),
        ("[odd", ["[odd"]),
        ("", []),
    ],
)
def test_the_rulebook_variable_takes_paths_or_a_json_list(
    monkeypatch: pytest.MonkeyPatch, text: str, folders: list[str]
) -> None:
    monkeypatch.setenv("SANSHENG_RULEBOOK", text)
    settings = read_settings()
    assert settings.rulebook == [Path(folder) for folder in folders]
    assert in_a_child(settings) == settings


@pytest.mark.parametrize(
    ("wall", "says"),
    [
        ({"users": [{"login": "li"}, {"login": "li"}]}, "logins that come twice: li"),
        ({"users": [{"login": "desk"}]}, "the login desk"),
        ({"token": "one", "desk_token": "one"}, "opens for one only"),
        ({"token": "one", "users": [{"login": "li", "token": "one"}]}, "opens for one only"),
        ({"users": [{"login": "li", "role": "agent"}]}, "li is an agent without a number"),
        ({"users": [{"login": "li", "teams": ["nowhere"]}]}, "li is in unknown teams: nowhere"),
    ],
)
def test_people_who_could_not_be_told_apart_are_refused(wall: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(wall=wall)
    (fault,) = caught.value.faults
    assert says in fault
    assert "one" not in fault.split(": ", 1)[1].replace("opens for one only", "")


def test_words_are_not_kept_longer_than_their_calls() -> None:
    with pytest.raises(SettingsError, match=r"words_days \(900\) is more than archive.figures_days \(730\)"):
        read_settings(archive={"words_days": 900})


# ------------------------------------------------------------------------------------- a new user's slips

_LEAD = '[[pager.receivers]]\nname = "lead"\nkind = "webhook"\nurl = "https://h/s3cret"\n'
_LAST = " (flags, SANSHENG_\u2026, or sansheng.toml)"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            _LEAD + 'secrt = "s3cret"\n',
            'pager.receivers "lead", secrt: no such setting; did you mean secret? known here: name, kind, url, secret, '
            "template, sender, to, quiet, resolves, timeout_s",
        ),
        (
            "[pager]\nescalate_after = 60\n",
            "pager.escalate_after: no such setting; did you mean escalate_after_s? known here: receivers, routes, "
            "escalate_after_s, too_late_s, expires_s, wall_url, english",
        ),
        (
            _LEAD + '[[pager.routes]]\nqueue = "a"\nlevels = [["lead"]]\n',
            "pager.routes, the first, queue: no such setting; did you mean queues? "
            "known here: queues, days, hours, levels",
        ),
        (
            '[wall.teams.night]\nxyz = ["1"]\n',
            "wall.teams.night.xyz: no such setting; known here: agents, queues",
        ),
        (
            '[[wall.users]]\nlogin = "li"\nrole = "supervizor"\n',
            "wall.users \"li\", role: 'supervizor' is unknown; did you mean supervisor? "
            "known: wall, supervisor, manager, agent",
        ),
        (
            _LEAD + '[[pager.routes]]\ndays = ["monday"]\nlevels = [["lead"]]\n',
            "pager.routes, the first, days, the first: 'monday' is unknown; did you mean mon? "
            "known: mon, tue, wed, thu, fri, sat, sun",
        ),
        (
            _LEAD.replace("lead", "Lead Zhang"),
            'pager.receivers "Lead Zhang", name: a name has 1 to 32 of a-z, 0-9 and -, and begins with a letter or '
            'digit; such as name = "lead-zhang"',
        ),
        (
            _LEAD.replace("lead", "\u503c\u73ed"),
            'pager.receivers "\u503c\u73ed", name: a name has 1 to 32 of a-z, 0-9 and -, and begins with a letter or '
            'digit; such as name = "duty-lead"',
        ),
        (
            _LEAD.replace('name = "lead"', ""),
            'pager.receivers, the first, name: missing, and it has no default; write name = "lead"',
        ),
        (
            _LEAD.replace("[[", "[").replace("]]", "]"),
            "pager.receivers: there may be several, so each stands under [[pager.receivers]]",
        ),
        ("pager = 3\n", "pager: it is a table of settings; write them under [pager]"),
        (_LEAD + 'to = "a@b"\n', 'pager.receivers "lead", to: it is a list; write to = ["a@b"]'),
        (
            _LEAD + '[[pager.routes]]\nlevels = [["leed"]]\n',
            "pager.routes, the first, levels: no receiver is called leed (did you mean lead?; known are lead)",
        ),
        (
            'site = "east 1"\n',
            'site: a site has 1 to 32 letters, digits, _ and -, and no spaces; such as site = "east-1"',
        ),
    ],
)
def test_a_slip_is_told_with_its_mend(text: str, fault: str) -> None:
    toml(text)
    assert told() == [f"setting {fault}{_LAST}"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('["lead"]', '[["lead"]]'),
        ('"lead"', '[["lead"]]'),
        ("[]", '[["lead"]]'),
        ('["lead", ["manager"]]', '[["lead"], ["manager"]]'),
    ],
)
def test_levels_without_brackets_of_their_own_are_shown_with_them(written: str, meant: str) -> None:
    toml(f"{_LEAD}[[pager.routes]]\nlevels = {written}\n")
    fault = "pager.routes, the first, levels: each level is a list of its own; write levels ="
    assert told() == [f"setting {fault} {meant}{_LAST}"]


def test_what_is_written_for_levels_in_the_mend_is_taken() -> None:
    toml(f'{_LEAD}[[pager.routes]]\nlevels = [["lead"]]\n')
    assert read_settings().pager.routes[0].levels == (("lead",),)


def test_a_list_that_holds_a_fault_is_not_called_too_short_besides() -> None:
    toml(f"{_LEAD}[[pager.routes]]\nlevels = [3]\n")
    (fault,) = told()
    assert "the first, levels, the first: it is a list" in fault


def test_the_twelfth_of_several_is_counted_and_a_receiver_of_a_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toml(_LEAD * 11 + _LEAD.replace("name", "nam"))
    assert [fault.partition(":")[0] for fault in told()] == [
        "setting pager.receivers, number 12, name",
        "setting pager.receivers, number 12, nam",
    ]
    monkeypatch.setenv("SANSHENG_PAGER__RECEIVERS", '[{"name": "boss", "kind": "webhok"}]')
    (fault,) = told()
    assert fault.startswith("setting pager.receivers \"boss\", kind: 'webhok' is unknown; did you mean webhook?")


@pytest.mark.parametrize("name", ["SANSHENG_PAGER__RECEIVERS", "SANSHENG_WALL__TEAMS", "sansheng_wall__users"])
def test_a_variable_that_is_no_json_is_named_with_the_place_and_without_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, '[{"token": "s3cret",')
    monkeypatch.setenv("SANSHENG_WALL__PORT", "8300")
    (fault,) = told()
    path = name.lower().removeprefix("sansheng_").replace("__", ".")
    assert fault.startswith(f"variable {name} is no JSON: ")
    assert "column" in fault
    assert fault.endswith(f"or write {path} in sansheng.toml)")
    assert "s3cret" not in fault
    assert "SANSHENG_SECTION__NAME" not in fault
