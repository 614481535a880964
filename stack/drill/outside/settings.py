"""Settings of the world outside: variables start with OUTSIDE_."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where it listens, whom it calls, who answers."""

    model_config = SettingsConfigDict(env_prefix="OUTSIDE_", frozen=True, extra="ignore")

    port: int
    account: str
    token: str
    inbound_url: str
    folder: Path
    """Where its files lie."""
    answers: float = 0.25
    """Share of the people who answer at all; half of them on the page, half by SMS."""
    at_once: int = 48
    """People who are at it at the same time."""
    seed: int = 1
