"""Every setting of every process, with its default, its unit and where it came from.

Sources, strongest first: flags of the command line, ``SANSHENG_…`` variables, a TOML file (``sansheng.toml``
in the working directory, or the one that ``SANSHENG_CONFIG`` names), the defaults here. Nested settings join
with two underscores: ``SANSHENG_WALL__PORT=8300``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

CONFIG_FILE = "sansheng.toml"


class AsteriskSettings(BaseModel):
    """How to reach the PBX's manager interface (AMI)."""

    model_config = {"extra": "forbid"}
    host: str = "127.0.0.1"
    port: int = Field(5038, ge=1, le=65535)
    username: str = "monitor"
    secret: SecretStr = SecretStr("")


class WallSettings(BaseModel):
    """The supervisors' wall."""

    model_config = {"extra": "forbid"}
    host: str = Field("127.0.0.1", description="address to bind; loopback unless told otherwise")
    port: int = Field(8300, ge=0, le=65535, description="0: any free port")
    token: SecretStr = Field(SecretStr(""), description="what a browser must show; made and printed where empty")
    timezone: str = Field("Asia/Shanghai", description="whose midnight begins 'today'")
    linger_s: float = Field(600, gt=0, description="how long an alert that cannot clear itself stays open on the wall")


class MetricsSettings(BaseModel):
    """Prometheus ports of the processes; 0 switches one off."""

    model_config = {"extra": "forbid"}
    host: str = "127.0.0.1"
    detect: int = Field(9301, ge=0, le=65535)
    asterisk: int = Field(9302, ge=0, le=65535)
    wall: int = Field(9303, ge=0, le=65535)


class Settings(BaseSettings):
    """All settings; see ``sansheng config show``."""

    model_config = SettingsConfigDict(env_prefix="SANSHENG_", env_nested_delimiter="__", extra="forbid")

    kafka: str = Field("", description="host:port of a broker to use; empty: the embedded one")
    kafka_port: int = Field(9392, ge=1, le=65535, description="port of the embedded broker on loopback")
    run_dir: Path = Field(Path(".run"), description="where the embedded broker and the processes keep their data")
    topic_prefix: str = Field("", description="put before each topic's name, for several systems on one broker")
    partitions: int = Field(16, ge=1, le=1024, description="of calls, alerts and verdicts")
    rulebook: list[Path] = Field(default_factory=list, description="folders laid over the default rulebook, in order")
    tick_delay_s: float = Field(
        0.1, ge=0, le=5, description="how long after a deadline its tick is sent, so that events under way come first"
    )
    ahead_s: float = Field(60, gt=0, description="an event later than the broker's clock by more is refused")
    asterisk: AsteriskSettings = AsteriskSettings()
    wall: WallSettings = WallSettings()
    metrics: MetricsSettings = MetricsSettings()

    @property
    def bootstrap(self) -> str:
        """host:port of the broker in use."""
        return self.kafka or f"127.0.0.1:{self.kafka_port}"

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
        return dict(_flatten("SANSHENG_", self.model_dump(mode="json"), self))


def config_file() -> Path:
    """The TOML file in use (it need not exist)."""
    return Path(os.environ.get("SANSHENG_CONFIG", CONFIG_FILE))


def _flatten(prefix: str, values: dict[str, Any], model: BaseModel) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        real = getattr(model, name)
        if isinstance(real, BaseModel):
            pairs += _flatten(f"{prefix}{name.upper()}__", value, real)
        elif isinstance(real, SecretStr):
            pairs.append((f"{prefix}{name.upper()}", real.get_secret_value()))
        elif isinstance(value, list):
            pairs.append((f"{prefix}{name.upper()}", json.dumps(value)))
        else:
            pairs.append((f"{prefix}{name.upper()}", str(value)))
    return pairs
