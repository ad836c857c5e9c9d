"""Settings: where each comes from, which source wins, and that nothing misspelt is taken in silence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from streams.settings import AsteriskSettings, MetricsSettings, Settings, WallSettings, config_file


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


@given(
    st.builds(
        dict,
        kafka=names,
        partitions=st.integers(1, 1024),
        topic_prefix=names,
        tick_delay_s=st.floats(0, 5),
        rulebook=st.lists(paths, max_size=3),
        asterisk=st.builds(AsteriskSettings, username=names, secret=names.map(SecretStr)),
        wall=st.builds(WallSettings, port=ports, token=names.map(SecretStr), timezone=names),
        metrics=st.builds(MetricsSettings, detect=ports),
    )
)
def test_settings_reach_a_child_process_whole(given_settings: dict[str, object]) -> None:
    settings = Settings(**given_settings)  # type: ignore[arg-type]
    assert in_a_child(settings) == settings
