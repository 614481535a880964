"""What an installation waits for before it is audited."""

from stack.audit.reading.carrier import outside


async def test_a_carrier_that_writes_a_file_has_nothing_to_tell() -> None:
    assert await outside("/nowhere/arrived") == {}
