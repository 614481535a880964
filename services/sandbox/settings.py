"""Settings of the sandbox: variables start with SANDBOX_."""

from ipaddress import ip_address

from pydantic import SecretStr, field_validator

from shared.settings import WebSettings, settings_of


class Settings(WebSettings):
    """Everything the sandbox can be told from outside."""

    model_config = settings_of("SANDBOX_")

    port: int = 8500
    twilio_account_sid: str = "AC00000000000000000000000000005a5d"
    twilio_auth_token: SecretStr = SecretStr("sandbox-auth-token")
    inbound_url: str = "http://127.0.0.1:8300/twilio/inbound"
    """Where a phone's SMS goes, exactly as the receiver knows its own address: it is signed."""
    bot_username: str = "boothline_bot"
    telegram_token: SecretStr | None = None
    """When set, no other token is accepted."""
    sender: str = "BL-BOOTHL"
    """Sender headers that the account owns, with commas between them; any E.164 number is a sender too."""
    retry_first: float = 0.5
    """Seconds before an undelivered receipt, inbound SMS or webhook is tried again; doubled each time."""

    @field_validator("host")
    @classmethod
    def loopback_only(cls, host: str) -> str:
        """Nobody but this machine may reach the sandbox: whoever can may read every code and answer for everybody."""
        try:
            loopback = ip_address(host).is_loopback
        except ValueError:
            loopback = host == "localhost"
        if not loopback:
            raise ValueError("the sandbox listens on loopback only: set SANDBOX_HOST to 127.0.0.1")
        return host

    def senders(self) -> frozenset[str]:
        """The sender headers of the account."""
        return frozenset(s.strip() for s in self.sender.split(",") if s.strip())
