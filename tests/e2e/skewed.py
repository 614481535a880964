"""`python -m tests.e2e.skewed FILE`: otp with a clock that is wrong by as many seconds as FILE says."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from services.otp.app import run
from services.otp.settings import OtpSettings
from shared import log, process
from shared.clock import utc_now
from shared.settings import load


def main(file: Path) -> None:
    """Run until a signal comes."""

    def clock() -> datetime:
        return utc_now() + timedelta(seconds=float(file.read_text(encoding="ascii")))

    settings = load(OtpSettings)
    log.configure("otp", settings.log_level)
    process.run(run(settings, clock))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
