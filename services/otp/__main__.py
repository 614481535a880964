"""`python -m services.otp`."""

from services.otp.app import main

if __name__ == "__main__":
    main()
