"""Every setting of every process, with its default, its unit and where it came from.

Sources, strongest first: flags of the command line, ``SANSHENG_…`` variables, a TOML file (``sansheng.toml``
in the working directory, or the one that ``SANSHENG_CONFIG`` names), the defaults here. Nested settings join
with two underscores: ``SANSHENG_WALL__PORT=8300``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streams.hours import hours_of
from streams.settings_faults import annotation_at, is_json, nearest, ordinal, texts

CONFIG_FILE = "sansheng.toml"
_PREFIX = "SANSHENG_"
#: Variables that are read elsewhere.
_OTHERS = ("SANSHENG_CONFIG", "SANSHENG_PBX_SECRET", "SANSHENG_TEST_KAFKA")


class SettingsError(ValueError):
    """The settings cannot be used; ``faults`` holds one text for each fault that was found."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class AsteriskSettings(BaseModel):
    """How to reach the PBX's manager interface (AMI)."""

    model_config = {"extra": "forbid"}
    host: str = "127.0.0.1"
    port: int = Field(5038, ge=1, le=65535)
    username: str = Field("monitor", min_length=1)
    secret: SecretStr = SecretStr("")
    agent_contexts: tuple[str, ...] = Field(("agents",), description="dialplan contexts that agents' phones call from")
    attended_code: str = Field("*2", description="feature code of an attended transfer (features.conf)")
    blind_code: str = Field("#1", description="feature code of a blind transfer")


class WallUser(BaseModel):
    """Somebody who may open the wall. ``token`` lets in; without one the user comes through the proxy."""

    model_config = {"extra": "forbid"}
    login: str = Field(min_length=1, max_length=64, description="unique; with a proxy, what its header says")
    name: str = Field("", description="as it is shown to others; the login where empty")
    role: Literal["wall", "supervisor", "manager", "agent"] = "supervisor"
    teams: tuple[str, ...] = Field((), description="of a supervisor; none: every team")
    agent: str = Field("", description="an agent's own number")
    token: SecretStr = SecretStr("")


class Team(BaseModel):
    """A team of agents, and the queues whose waiting calls are its own."""

    model_config = {"extra": "forbid"}
    agents: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


class WallSettings(BaseModel):
    """The supervisors' wall."""

    model_config = {"extra": "forbid"}
    host: str = Field("127.0.0.1", description="address to bind; loopback unless told otherwise")
    port: int = Field(8300, ge=0, le=65535, description="0: any free port")
    token: SecretStr = Field(SecretStr(""), description="opens wall mode (a television); made and printed where empty")
    desk_token: SecretStr = Field(
        SecretStr(""), description="opens the desk of a supervisor; made and printed where there are no users either"
    )
    users: tuple[WallUser, ...] = Field((), description="who may open the wall, by their own tokens or by a proxy")
    teams: dict[str, Team] = Field({}, description="team -> its agents and queues")
    user_header: str = Field("", description="header in which a proxy names the user; empty: none does")
    proxies: tuple[str, ...] = Field(
        ("127.0.0.1", "::1"), description="addresses of proxies: believed for whom they ask, and whom they name"
    )
    timezone: str = Field("Asia/Shanghai", description="whose midnight begins 'today'")
    linger_s: float = Field(600, gt=0, description="how long an alert that cannot clear itself stays open on the wall")
    show_trial: bool = Field(False, description="show alerts of rules on trial too, marked as such")

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        """Two people with one login or one token could not be told apart in the audit."""
        logins = [user.login for user in self.users]
        if twice := sorted({login for login in logins if logins.count(login) > 1}):
            raise ValueError(f"wall.users: logins that come twice: {', '.join(twice)}")
        if taken := sorted({"desk", "wall"} & set(logins)):
            raise ValueError(f"wall.users: the login {taken[0]} is who shows the wall's own tokens; take another")
        given = [token for user in self.users if (token := user.token.get_secret_value())]
        given += [token for own in (self.token, self.desk_token) if (token := own.get_secret_value())]
        if len(set(given)) < len(given):
            raise ValueError("wall: a token opens for one only; two are the same")
        for user in self.users:
            if user.role == "agent" and not user.agent:
                raise ValueError(f"wall.users: {user.login} is an agent without a number (agent)")
            if unknown := sorted(set(user.teams) - self.teams.keys()):
                teams = ", ".join(unknown)
                mend = f"write [wall.teams.{unknown[0]}] with its agents and queues"
                raise ValueError(f"wall.users: {user.login} is in unknown teams: {teams} ({mend})")
        return self

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (LookupError, ValueError, OSError):
            raise ValueError(f"wall.timezone: unknown timezone {name!r} (a name such as Asia/Shanghai)") from None
        return name


class ReceiverSettings(BaseModel):
    """Where pages go. Secrets are never logged and never leave but as the receiver's own protocol says."""

    model_config = {"extra": "forbid"}
    name: str = Field(description="unique; a metric's label", examples=["lead"])
    kind: Literal["alertmanager", "pagerduty", "dingtalk", "wecom", "feishu", "webhook", "email"] = Field(
        examples=["webhook"]
    )
    url: SecretStr = Field(SecretStr(""), description="robot's address; Alertmanager's base; smtp://USER:PASSWORD@HOST")
    secret: SecretStr = Field(SecretStr(""), description="signs DingTalk, Feishu and webhook; PagerDuty's routing key")
    template: Path | None = Field(None, description="of a webhook: a Jinja2 file that gives JSON; empty: ours")
    sender: str = Field("", description="of e-mail: who it is from")
    to: tuple[str, ...] = Field((), description="of e-mail: who gets it")
    quiet: str = Field("", description="21:00-08:00: nothing is sent there then; the next level is called instead")
    resolves: bool = Field(True, description="tell it too when a page is over")
    timeout_s: float = Field(10, gt=0, le=60, description="an answer that takes longer is none")

    @field_validator("name")
    @classmethod
    def _is_label(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", name):
            such = re.sub(r"[^a-z0-9]+", "-", name.lower())[:32].strip("-") or "duty-lead"
            raise ValueError(
                f'a name has 1 to 32 of a-z, 0-9 and -, and begins with a letter or digit; such as name = "{such}"'
            )
        return name

    @field_validator("quiet")
    @classmethod
    def _hours(cls, text: str) -> str:
        if text and hours_of(text).is_all_day:
            raise ValueError("quiet all day is never called: take the receiver out instead")
        return text

    @model_validator(mode="after")
    def _may_be_quiet(self) -> Self:
        if self.quiet and self.kind == "alertmanager":
            raise ValueError("an Alertmanager is never quiet, it has silences of its own; take quiet out")
        return self


def _is_address(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether ``url`` names a host by one of those schemes."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text would repeat the address
        return False


class RouteSettings(BaseModel):
    """Who is called for which queues, and when. The first route that fits counts."""

    model_config = {"extra": "forbid"}
    queues: tuple[str, ...] = Field((), description="none: every queue, and calls without one")
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        (), description="none: every day"
    )
    hours: str = Field(
        "", description="08:30-20:00, on the wall's clock; empty: always; 20:00-08:30 goes past midnight"
    )
    levels: tuple[tuple[str, ...], ...] = Field(
        min_length=1,
        description="receivers that are called at once, then those where nobody claims, and so on",
        examples=[[["lead"]]],
    )

    @field_validator("hours")
    @classmethod
    def _hours(cls, text: str) -> str:
        if text:
            hours_of(text)
        return text

    @field_validator("levels", mode="before")
    @classmethod
    def _in_brackets(cls, given: Any) -> Any:
        levels = [given] if isinstance(given, str) else given
        if not isinstance(levels, list | tuple) or (levels and not any(isinstance(level, str) for level in levels)):
            return given
        meant = [[level] if isinstance(level, str) else level for level in levels] or [["lead"]]
        raise ValueError(f"each level is a list of its own; write levels = {json.dumps(meant, ensure_ascii=False)}")

    @field_validator("levels")
    @classmethod
    def _each_once(cls, levels: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if not all(levels):
            raise ValueError(f"level {[bool(level) for level in levels].index(False) + 1} has no receiver")
        names = [name for level in levels for name in level]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"called twice for one page: {', '.join(twice)}; leave each in its first level")
        return levels


class PagerSettings(BaseModel):
    """The pages that wake somebody (``sansheng pager``)."""

    model_config = {"extra": "forbid"}
    receivers: tuple[ReceiverSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = Field((), description="none: every receiver is called at once for every page")
    escalate_after_s: float = Field(
        300, gt=0, le=86_400, description="the next level is called when nobody has claimed"
    )
    too_late_s: float = Field(1800, gt=0, description="what is older when the pager hears of it wakes nobody; counted")
    expires_s: float = Field(14_400, gt=0, description="a page that nothing ends is over then")
    wall_url: str = Field("", description="where people open an alert's page; empty: the wall's own host and port")
    english: bool = Field(False, description="pages in English instead of Chinese")

    @field_validator("wall_url")
    @classmethod
    def _bare_address(cls, text: str) -> str:
        if not text:
            return text
        if not _is_address(text, ("http", "https")):
            raise ValueError("no address that begins with http:// or https://")
        if urlsplit(text).query or urlsplit(text).fragment or urlsplit(text).username:
            raise ValueError("it stands in every page that leaves the house: without a token, ? or #")
        return text.rstrip("/")

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        names = [receiver.name for receiver in self.receivers]
        for number, route in enumerate(self.routes):
            if unknown := sorted({name for level in route.levels for name in level} - set(names)):
                known = f"known are {', '.join(names)}" if names else "there is none"
                mend = "; ".join(filter(None, (nearest(unknown[0], names), known)))
                place = f"pager.routes, {ordinal(number)}, levels"
                raise ValueError(f"{place}: no receiver is called {', '.join(unknown)} ({mend})")
        return self


class MonitoringSettings(BaseModel):
    """Prometheus and Alertmanager, which `up` and the demo start where they are installed; 0: not that one."""

    model_config = {"extra": "forbid"}
    host: str = Field("127.0.0.1", description="address to bind; loopback unless told otherwise")
    prometheus: int = Field(9090, ge=0, le=65535)
    alertmanager: int = Field(9093, ge=0, le=65535)


class MetricsSettings(BaseModel):
    """Prometheus ports of the processes; 0 switches one off."""

    model_config = {"extra": "forbid"}
    host: str = "127.0.0.1"
    detect: int = Field(9301, ge=0, le=65535)
    asterisk: int = Field(9302, ge=0, le=65535)
    wall: int = Field(9303, ge=0, le=65535)
    listen: int = Field(9304, ge=0, le=65535)
    archive: int = Field(9305, ge=0, le=65535)
    pager: int = Field(9306, ge=0, le=65535)
    recognise: int = Field(9310, ge=0, le=65535, description="of the first recogniser process; the next ones follow")


class EarsSettings(BaseModel):
    """The recognisers (``sansheng recognise``, ``sansheng hear``)."""

    model_config = {"extra": "forbid"}
    recogniser: Literal["sherpa", "vosk", "scripted"] = Field(
        "sherpa", description="the engine that hears words; scripted: for tests"
    )
    model: str = Field("", description="name of a model in a models folder, or a path; empty: the engine's first one")
    phrases: Literal["recogniser", "spotter", "both"] = Field(
        "both", description="who hears phrases; the spotter needs a model of sherpa's"
    )
    grammar: tuple[str, ...] = Field((), description="Vosk: hear only these words")
    partial_every_s: float = Field(0.5, gt=0, le=10, description="unfinished sentences are told so often at most")
    workers: int = Field(1, ge=0, le=64, description="recogniser processes that `up` starts")
    behind_s: float = Field(20, gt=0, le=600, description="audio older than that is skipped, with a gap: want of CPU")


class ListenSettings(BaseModel):
    """The gateway of audio (``sansheng listen``)."""

    model_config = {"extra": "forbid"}
    host: str = Field("127.0.0.1", description="address to bind; loopback unless told otherwise")
    audiosocket: int = Field(9092, ge=0, le=65535, description="port of Asterisk AudioSocket; 0: any free port")
    websocket: int = Field(2700, ge=0, le=65535, description="port of the websocket protocols; 0: any free port")
    token: SecretStr = Field(SecretStr(""), description="what a websocket client must show; empty: loopback only")


class ArchiveSettings(BaseModel):
    """Where ended calls are kept, and for how long (``sansheng archive``)."""

    model_config = {"extra": "forbid"}
    url: SecretStr = Field(
        SecretStr(""), description="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; empty: SQLite in run_dir"
    )
    folder: Path | None = Field(None, description="of the days as Parquet; empty: in run_dir")
    days_after_s: float = Field(
        600, ge=0, le=86_400, description="a day is written as Parquet when nothing of it has changed for so long"
    )
    words_days: int = Field(90, ge=1, description="transcripts, and the words that alerts quote, are kept so long")
    figures_days: int = Field(730, ge=1, description="everything else of calls and alerts is kept so long")
    audit_days: int = Field(730, ge=1, description="who read what is kept so long")

    @model_validator(mode="after")
    def _words_go_first(self) -> Self:
        if self.words_days > self.figures_days:
            raise ValueError(
                f"archive.words_days ({self.words_days}) is more than archive.figures_days ({self.figures_days}): "
                "words go with their calls at the latest; make the first one smaller, or the second larger"
            )
        return self


class Settings(BaseSettings):
    """All settings; see ``sansheng config show``."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid")

    kafka: str = Field("", description="host:port of a broker to use; empty: the embedded one")
    kafka_port: int = Field(9392, ge=1, le=65535, description="port of the embedded broker on loopback")
    run_dir: Path = Field(Path(".run"), description="where the embedded broker and the processes keep their data")
    site: str = Field("main", description="name of this hotline: a label in Prometheus and in pages")
    topic_prefix: str = Field("", description="put before each topic's name, for several systems on one broker")
    partitions: int = Field(16, ge=1, le=1024, description="of calls, subjects, alerts and verdicts")
    rulebook: Annotated[list[Path], NoDecode] = Field(
        default_factory=list, description="folders laid over the default rulebook, in order"
    )
    rulebook_poll_s: float = Field(
        2.0, gt=0, le=3600, description="how often a worker looks whether the rulebook's files have changed"
    )
    tick_delay_s: float = Field(
        0.1, ge=0, le=5, description="how long after a deadline its tick is sent, so that events under way come first"
    )
    ahead_s: float = Field(60, gt=0, description="an event later than the broker's clock by more is refused")
    models: Path | None = Field(None, description="a folder of speech models, looked at first")
    demo_calls: Path | None = Field(None, description="a folder of recorded calls as WAV, for the demo")
    asterisk: AsteriskSettings = AsteriskSettings()
    listen: ListenSettings = ListenSettings()
    ears: EarsSettings = EarsSettings()
    wall: WallSettings = WallSettings()
    archive: ArchiveSettings = ArchiveSettings()
    pager: PagerSettings = PagerSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    metrics: MetricsSettings = MetricsSettings()

    @field_validator("site")
    @classmethod
    def _is_word(cls, name: str) -> str:
        if not re.fullmatch(r"[\w-]{1,32}", name):
            raise ValueError('a site has 1 to 32 letters, digits, _ and -, and no spaces; such as site = "east-1"')
        return name

    @field_validator("rulebook", mode="before")
    @classmethod
    def _paths(cls, given: Any) -> Any:
        """A variable may hold a path, several with ':' between them, or a JSON list."""
        if not isinstance(given, str):
            return given
        try:
            listed = json.loads(given)
        except ValueError:
            listed = None
        return listed if isinstance(listed, list) else [path for path in given.split(os.pathsep) if path]

    @property
    def bootstrap(self) -> str:
        """host:port of the broker in use."""
        return self.kafka or f"127.0.0.1:{self.kafka_port}"

    @property
    def archive_url(self) -> str:
        """Where the store is, as SQLAlchemy has it."""
        return self.archive.url.get_secret_value() or f"sqlite:///{(self.run_dir / 'archive' / 'calls.db').absolute()}"

    @property
    def archive_folder(self) -> Path:
        """Where the days lie as Parquet."""
        return self.archive.folder or self.run_dir / "archive" / "days"

    def topic(self, name: str) -> str:
        """The full name of a topic."""
        return f"{self.topic_prefix}{name}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the TOML file."""
        toml = TomlConfigSettingsSource(settings_cls, toml_file=config_file())
        return init_settings, env_settings, toml

    def as_environment(self) -> dict[str, str]:
        """Every setting as a variable, so that a child process has the same ones whatever its file says."""
        return dict(_flatten(_PREFIX, self.model_dump(mode="json"), self))


def config_file() -> Path:
    """The TOML file in use (it need not exist)."""
    return Path(os.environ.get("SANSHENG_CONFIG") or CONFIG_FILE)


def read_settings(**flags: Any) -> Settings:
    """The settings with ``flags`` laid over them; a flag that is None was not given.

    Raises:
        SettingsError: with every fault that was found.
    """
    strangers = _unknown_variables()
    faults = [*strangers.values(), *_file_faults()]
    settings = None
    try:
        settings = Settings(**{k: v for k, v in flags.items() if v is not None})
    except ValidationError as error:
        faults += _texts(error, strangers, flags)
    except OSError as error:
        faults.append(f"the file {config_file()} cannot be read: {error.strerror}")
    except ValueError as error:  # not TOML, not UTF-8, or a whole section that is not JSON
        faults += _source_faults(error)
    if faults or settings is None:
        raise SettingsError(faults)
    return settings


def _texts(error: ValidationError, strangers: dict[str, str], flags: dict[str, Any]) -> Iterator[str]:
    """A line for each fault that is not told already as an unknown variable."""
    sources = (flags, EnvSettingsSource(Settings)(), TomlConfigSettingsSource(Settings, toml_file=config_file())())

    def given(path: Sequence[int | str]) -> Any:
        """As the strongest source has it: lists of several are not laid over each other."""
        return next((found for source in sources if (found := _at(source, path)) is not None), None)

    for path, text in texts(error.errors(), Settings, given):
        if _variable([str(part) for part in path]) not in strangers:
            yield f"setting {text} (flags, SANSHENG_…, or {config_file()})"


def _at(values: Any, path: Sequence[int | str]) -> Any:
    """What lies there; None: nothing."""
    for part in path:
        try:
            values = values[part]
        except (LookupError, TypeError):
            return None
    return values


def _source_faults(error: ValueError) -> list[str]:
    """``error`` of a source that cannot be read at all: pydantic-settings names no variable, tomllib no file."""
    if error.__class__.__name__ != "SettingsError":
        return [f"the file {config_file()} is not TOML: {error}"]
    return list(_broken_variables()) or [f"{error}: {error.__cause__}"]


def _broken_variables() -> Iterator[str]:
    for name in sorted(name for name in os.environ if name.upper().startswith(_PREFIX)):
        path = name.upper().removeprefix(_PREFIX).lower().split("__")
        kind = annotation_at(Settings, path)
        if path == ["rulebook"] or not is_json(kind):
            continue
        try:
            json.loads(os.environ[name])
        except ValueError as fault:
            yield f"variable {name} is no JSON: {fault} ({_mend(kind, path)})"


def _mend(kind: Any, path: list[str]) -> str:
    in_file = f"or write {'.'.join(path)} in {config_file()}"
    if isinstance(kind, type):  # a section
        return f'an object is wanted, as {{"NAME": VALUE}}; easier: {_variable([*path, "NAME"])} for each; {in_file}'
    return f"a list or an object is wanted, with double quotes and every bracket closed; {in_file}"


def _file_faults() -> list[str]:
    file = config_file()
    if file.is_file() or (not file.exists() and not os.environ.get("SANSHENG_CONFIG")):
        return []
    problem = "is not a file" if file.exists() else "does not exist"
    return [f"the settings file {file} {problem} (SANSHENG_CONFIG names it, or it lies in the working directory)"]


def _unknown_variables() -> dict[str, str]:
    """The SANSHENG_… variables that nothing reads, each with the text of its fault."""
    known = {*_OTHERS, *_known(Settings, [])}
    names = sorted(name for name in os.environ if name.upper().startswith(_PREFIX) and name.upper() not in known)
    return {name.upper(): f"unknown variable {name} ({_near(name, known)})" for name in names}


def _known(model: type[BaseModel], path: list[str]) -> Iterator[str]:
    """The variables of all settings; a whole section may be one, in JSON."""
    for name, field in model.model_fields.items():
        yield _variable([*path, name])
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known(field.annotation, [*path, name])


def _variable(path: list[str]) -> str:
    return _PREFIX + "__".join(path).upper()


def _near(variable: str, known: set[str]) -> str:
    return nearest(variable.upper(), known) or "`sansheng config show` lists all"


def _open(value: Any) -> Any:
    """As JSON has it, with the secrets themselves."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return {name: _open(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {key: _open(one) for key, one in value.items()}
    return [_open(one) for one in value] if isinstance(value, list | tuple) else value


def _flatten(prefix: str, values: dict[str, Any], model: BaseModel) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        real = getattr(model, name)
        if real is None:
            continue  # a variable cannot say that
        if isinstance(real, BaseModel):
            pairs += _flatten(f"{prefix}{name.upper()}__", value, real)
        elif isinstance(real, SecretStr):
            pairs.append((f"{prefix}{name.upper()}", real.get_secret_value()))
        elif isinstance(value, list | dict):
            pairs.append((f"{prefix}{name.upper()}", json.dumps(_open(real), default=str)))
        else:
            pairs.append((f"{prefix}{name.upper()}", str(value)))
    return pairs
