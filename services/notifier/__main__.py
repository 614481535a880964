"""`python -m services.notifier` serves; `python -m services.notifier migrate` brings the database up to date."""

import sys

from services.notifier.app import main

if __name__ == "__main__":
    main(sys.argv[1:])
