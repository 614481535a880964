"""Values that PostgreSQL cannot keep: what was sent is at fault, not the database."""

from typing import Any

import pytest

from services.registry.domain.failures import Unfit
from services.registry.domain.portal import Cursor
from services.registry.store.portal import PortalReads
from tests.integration.registry.conftest import NOW, Registry, command


@pytest.mark.parametrize("changes", [{"unit": "1-1\0"}, {"external_ref": "a\0b"}])
async def test_a_text_with_a_nul_is_refused(registry: Registry, changes: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        await registry.service.recording.record(registry.principal, command(**changes), None, NOW)
    assert await registry.rows("SELECT FROM appointment") == []


async def test_a_number_out_of_range_is_refused(registry: Registry) -> None:
    with pytest.raises(Unfit):
        await registry.service.audience.set_channel(registry.principal, "1-1", 10**30, NOW)
    with pytest.raises(Unfit):
        await PortalReads(registry.database).changes(Cursor(10**30, 1), 10)


async def test_a_text_that_is_too_long_for_its_index_is_refused(registry: Registry) -> None:
    long = "".join(chr(0x4E00 + number) for number in range(5000))
    with pytest.raises(Unfit):
        await registry.service.recording.record(registry.principal, command(external_ref=long), None, NOW)
