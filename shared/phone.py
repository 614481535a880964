"""Phone numbers: one spelling (E.164), a mask for people, and fingerprints that find a number without showing it."""

import hmac
import re
from base64 import b64decode
from collections.abc import Collection, Mapping
from hashlib import sha256

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from shared.errors import Failure

INDIA = "IN"
_INDIAN_MOBILE = re.compile(r"\+91[6-9]\d{9}")
_SMS_TYPES = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_MIN_KEY_BYTES = 32


class NotAPhone(Failure):
    """This is not a phone number."""

    code = "not_a_phone"
    status = 422


class NotAMobile(Failure):
    """This is not a mobile number that can get an SMS."""

    code = "not_a_mobile"
    status = 422


class CountryNotServed(Failure):
    """Numbers of this country are not served."""

    code = "country_not_served"
    status = 422


def normalise(
    raw: str, *, region: str = INDIA, countries: Collection[str] = (INDIA,), test_prefixes: Collection[str] = ()
) -> str:
    """`raw` as E.164: `09812345678`, `0091 98123 45678` and Devanagari digits are one number (sms.md 7).

    `region` is meant where no country code is written. `countries` are the ones served (an open list invites SMS
    pumping). `test_prefixes` (`+91555`) make numbers valid that no phone can have; only the sandbox may pass them.
    Raises NotAPhone, NotAMobile or CountryNotServed.
    """
    try:
        number = phonenumbers.parse(raw, region)
    except NumberParseException:
        raise NotAPhone from None
    e164: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if number.extension:
        raise NotAPhone
    if any(e164.startswith(prefix) for prefix in test_prefixes) and re.fullmatch(r"\+91\d{10}", e164):
        return e164
    if not phonenumbers.is_valid_number(number):
        raise NotAPhone
    if phonenumbers.number_type(number) not in _SMS_TYPES:
        raise NotAMobile
    if number.country_code == 91 and not _INDIAN_MOBILE.fullmatch(e164):
        raise NotAMobile  # 1600xxxxxx is a calling series of the regulator that the library takes for a mobile
    if phonenumbers.region_code_for_number(number) not in countries:
        raise CountryNotServed
    return e164


def last3(e164: str) -> str:
    """The last three digits: what a page may show of a stored phone."""
    return e164[-3:]


def mask(e164: str) -> str:
    """Country code and last three digits, for people who know the number: `+91*******678`."""
    number = phonenumbers.parse(e164, None)
    national = phonenumbers.national_significant_number(number)
    return f"+{number.country_code}{'*' * (len(national) - 3)}{national[-3:]}"


class Fingerprinter:
    """Fingerprints of phones under the organisation's keys. Held by registry and notifier only: whoever has a key can
    list every mobile of the country in minutes."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """`keys` maps key versions to base64 of at least 32 bytes, the newest last; two of them during a rotation.
        Raises ValueError when there is none, or one is too short."""
        self._keys = {version: b64decode(key, validate=True) for version, key in keys.items()}
        if not self._keys or any(len(key) < _MIN_KEY_BYTES for key in self._keys.values()):
            raise ValueError("fingerprint keys: at least one, each base64 of at least 32 bytes")

    def of(self, e164: str) -> dict[str, str]:
        """Key version -> HMAC-SHA-256 of the number in E.164, hex: one entry per key, the newest last."""
        return {version: hmac.new(key, e164.encode(), sha256).hexdigest() for version, key in self._keys.items()}

    @property
    def newest(self) -> str:
        """The version that new rows are found by."""
        return next(reversed(self._keys))

    @property
    def oldest(self) -> str:
        """The version that counters and conversations stay under until it is retired (decision: fingerprint)."""
        return next(iter(self._keys))
