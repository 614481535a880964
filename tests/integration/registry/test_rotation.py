"""Rotating fingerprint and phone keys."""

import json

import pytest

from services.registry.app import build_service
from services.registry.domain.failures import PhoneShared
from services.registry.domain.names import Name
from services.registry.service import Change
from services.registry.settings import Settings
from shared.events import AppointmentReissued
from tests.integration.registry.conftest import NOW, Registry, command, key


def rotated(registry: Registry, monkeypatch: pytest.MonkeyPatch, *, keep_old: bool) -> Registry:
    """The same registry after a restart with new keys."""
    old = registry.settings.fingerprint_keys_plain()
    newer = json.loads(json.dumps(old | {"2": NEWER})) if keep_old else {"2": NEWER}
    monkeypatch.setenv("REGISTRY_FINGERPRINT_KEYS", json.dumps(newer))
    monkeypatch.setenv("REGISTRY_PHONE_KEYS", json.dumps(registry.settings.phone_keys_plain() | {"2": key()}))
    registry.service = build_service(Settings(), registry.database, registry.wakeup.wake, lambda: NOW)
    return registry


NEWER = key()
OTHER = command(unit="1-2", name=Name(None, "Asha Rai"))


async def test_during_a_rotation_a_phone_is_found_and_events_carry_both_fingerprints(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await registry.service.recording.record(registry.principal, command(), None, NOW)
    rotated(registry, monkeypatch, keep_old=True)
    with pytest.raises(PhoneShared):
        await registry.service.recording.record(registry.principal, OTHER, None, NOW)
    await registry.run("UPDATE appointment SET state = 'locked'")
    await registry.service.changing.reissue(Change(registry.principal, answer.appointment_id, NOW))
    event = (await registry.events())[-1]
    assert isinstance(event, AppointmentReissued)
    assert set(event.fingerprints) == {"1", "2"}


async def test_after_rekeying_the_old_key_may_be_retired(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    await registry.service.recording.record(registry.principal, command(), None, NOW)
    rotated(registry, monkeypatch, keep_old=True)
    assert await registry.service.operating.rekey() == 1
    assert await registry.service.operating.rekey() == 0
    rotated(registry, monkeypatch, keep_old=False)
    with pytest.raises(PhoneShared):
        await registry.service.recording.record(registry.principal, OTHER, None, NOW)
