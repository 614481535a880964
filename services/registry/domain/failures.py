"""Everything that can be wrong with a request or an import row, as data."""

from shared.errors import Conflict, Failure, Forbidden, Invalid, NotFound, Throttled, Unauthenticated, Unavailable
from shared.phone import CountryNotServed, NotAMobile, NotAPhone


class DatabaseUnavailable(Unavailable):
    """The database does not answer; try again in a moment."""

    code = "database_unavailable"
    alarm = True


class DatabaseFull(DatabaseUnavailable):
    """The database cannot write: its disk is full or broken. Nothing was recorded; try again later."""

    code = "database_full"


class Unfit(Invalid):
    """This value is too long, or holds something that cannot be kept."""

    code = "unfit"


class BadKey(Unauthenticated):
    """Send a valid API key as `Authorization: Bearer ...`."""

    code = "bad_api_key"


class BadSignIn(Unauthenticated):
    """This sign-in link was used or is too old; ask for a new one."""

    code = "bad_sign_in"


class NotPermitted(Forbidden):
    """This needs the permission {permission}."""

    code = "not_permitted"


class OutOfScope(Forbidden):
    """The unit {unit} is outside your part of the organisation."""

    code = "out_of_scope"


class NoSuchUnit(NotFound):
    """There is no unit {unit}."""

    code = "no_such_unit"


class NoSuchAppointment(NotFound):
    """There is no such appointment."""

    code = "no_such_appointment"


class NoSuchPerson(NotFound):
    """There is no such person."""

    code = "no_such_person"


class NoSuchImport(NotFound):
    """There is no such import."""

    code = "no_such_import"


class NotSubscribed(NotFound):
    """Nobody with this phone is subscribed to this unit."""

    code = "not_subscribed"


class UnknownUnit(Invalid):
    """There is no unit {unit}. Search for its code."""

    code = "unknown_unit"


class UnknownLevel(Invalid):
    """There is no level {level}."""

    code = "unknown_level"


class UnknownPost(Invalid):
    """There is no post {post} at the level {level}."""

    code = "unknown_post"


class UnknownPreset(Invalid):
    """There is no preset {preset}."""

    code = "unknown_preset"


class OtherPreset(Invalid):
    """The preset {preset} has other levels than this organisation."""

    code = "other_preset"


class SeatTaken(Conflict):
    """All seats of {post} in {unit} are taken. End an appointment there first, or choose another post."""

    code = "seat_taken"


class PhoneShared(Conflict):
    """This phone is already recorded for somebody with another name. Check the number and the name; if they share the
    phone, confirm that it is shared."""

    code = "phone_shared"


class NameMissing(Invalid):
    """Write the name in Hindi or English letters."""

    code = "name_missing"


class NameTooLong(Invalid):
    """A name has at most {limit} characters."""

    code = "name_too_long"


class NameLegacyFont(Invalid):
    """This is not Hindi text but letters of an old Hindi font (Kruti Dev, DevLys). Type the name in Unicode Hindi, or
    leave it empty."""

    code = "name_legacy_font"


class NameWrongScript(Invalid):
    """Write this name in English letters; Hindi letters belong into the other field."""

    code = "name_wrong_script"


class GenderUnknown(Invalid):
    """Gender is female, male, other or empty."""

    code = "gender_unknown"


class LanguageUnknown(Invalid):
    """Language is hi or en."""

    code = "language_unknown"


class NoticeMissing(Invalid):
    """Say which privacy notice the person was shown: its version and language."""

    code = "notice_missing"


class NoticeTime(Invalid):
    """The notice was shown at a time that is not a past moment."""

    code = "notice_time"


class CannotReissue(Conflict):
    """An appointment that is {state} cannot be issued again; only a locked or expired one can."""

    code = "cannot_reissue"


class CannotCorrect(Conflict):
    """The phone of an appointment that is {state} cannot be corrected."""

    code = "cannot_correct"


class SamePhone(Conflict):
    """This is the phone that is recorded already."""

    code = "same_phone"


class AlreadyEnded(Conflict):
    """This appointment has ended already."""

    code = "already_ended"


class Stale(Conflict):
    """Somebody changed this since you opened it. Look at it again."""

    code = "stale"


class RefTaken(Conflict):
    """Another appointment has this external reference."""

    code = "external_ref_taken"


class KeyReused(Invalid):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"


class BadIdempotencyKey(Invalid):
    """An Idempotency-Key has 1 to 200 visible ASCII characters."""

    code = "bad_idempotency_key"


class WrongColumns(Invalid):
    """The columns are wrong. Missing: {missing}. Found: {found}."""

    code = "wrong_columns"


class NotText(Invalid):
    """This file is not a CSV text. Save it as CSV (UTF-8)."""

    code = "not_text"


class EmptyFile(Invalid):
    """The file has no rows."""

    code = "empty_file"


class Unreadable(Invalid):
    """The file cannot be read beyond row {row}: a quotation mark is not closed, or a cell is too long."""

    code = "unreadable"


class Interrupted(Failure):
    """The import was interrupted. Upload the file again: what is in already stays and is not doubled."""

    code = "interrupted"
    status = 503


class ImportsBusy(Throttled):
    """Other imports are running; try again in a moment."""

    code = "imports_busy"


class UploadBroken(Invalid):
    """The upload broke off; send the file again."""

    code = "upload_broken"


class RowWidth(Invalid):
    """This row has {found} cells; the header has {expected}."""

    code = "row_width"


class CellMissing(Invalid):
    """This cell must not be empty."""

    code = "cell_missing"


class CodeMalformed(Invalid):
    """A code has at most {limit} letters, digits, hyphens, dots and underscores."""

    code = "code_malformed"


class NumberMalformed(Invalid):
    """This is not a number such as 12, 012 or 12A."""

    code = "number_malformed"


class DuplicateUnit(Conflict):
    """The unit {unit} stands twice in this file, with different names."""

    code = "duplicate_unit"


class OtherParent(Conflict):
    """The unit {unit} is already placed under another unit."""

    code = "other_parent"


class PhoneScientific(Invalid):
    """Excel shortened this phone number (9.87654E+09). Format the column as text and type the number again."""

    code = "phone_scientific"


ROW_FAILURES: dict[str, type[Failure]] = {
    failure.code: failure
    for failure in (
        NotAPhone, NotAMobile, CountryNotServed, PhoneScientific, PhoneShared, UnknownUnit, UnknownLevel, UnknownPost,
        SeatTaken, NameMissing, NameTooLong, NameLegacyFont, NameWrongScript, GenderUnknown, LanguageUnknown,
        NoticeMissing, NoticeTime, RefTaken, OutOfScope, RowWidth, CellMissing, NumberMalformed,
        DuplicateUnit, OtherParent, CodeMalformed, Unfit,
    )
}  # fmt: skip
"""What a row of an import can be rejected for, by code."""

FILE_FAILURES: dict[str, type[Failure]] = {
    failure.code: failure for failure in (WrongColumns, NotText, EmptyFile, Unreadable, Interrupted)
}
"""What a whole import can fail for, by code."""
