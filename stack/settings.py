"""What can be set from outside for the launcher and for the tests."""

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class ServersUnderTest(BaseSettings):
    """Servers in place of the embedded ones: TEST_POSTGRES (an administrator's URL), TEST_VALKEY; and
    TEST_KAFKA_SERVER=apache, which the tests start themselves."""

    model_config = SettingsConfigDict(env_prefix="TEST_", frozen=True, extra="ignore")

    postgres: str | None = None
    valkey: str | None = None
    kafka_server: Literal["embedded", "apache"] = "embedded"
    chromium: Path = Path("/usr/bin/chromium")
    promtool: Path = Path("/usr/bin/promtool")


class StackSettings(BaseSettings):
    """BOOTHLINE_STATE: a folder for data and logs, where neither the home nor the temporary folder will do.
    BOOTHLINE_ENDPOINTS: where to write the addresses, as `boothline` reads it."""

    model_config = SettingsConfigDict(env_prefix="BOOTHLINE_", frozen=True, extra="ignore")

    state: Path | None = None
    endpoints: Path = Path(__file__).resolve().parent.parent / ".run" / "endpoints.json"
