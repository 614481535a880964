"""Sealed fields open for their receiver, in their place, and nowhere else."""

from base64 import b64encode

import pytest
from nacl.public import PrivateKey

from shared.seal import CannotOpen, Sealer


def keys(*names: str) -> tuple[dict[str, str], dict[str, str]]:
    pairs = {name: PrivateKey.generate() for name in names}
    private = {name: b64encode(bytes(key)).decode() for name, key in pairs.items()}
    return private, {name: b64encode(bytes(key.public_key)).decode() for name, key in pairs.items()}


PRIVATE, PUBLIC = keys("registry/1", "otp/1", "notifier/1")


def sealer(service: str) -> Sealer:
    return Sealer(service, {"1": PRIVATE[f"{service}/1"]}, PUBLIC)


def test_the_receiver_opens_what_was_sealed_for_it() -> None:
    sealed = sealer("registry").seal("notifier", "a:1", "contact", {"phone": "+915550000210"})
    assert sealer("notifier").open(sealed, sender="registry", subject="a:1", field="contact") == {
        "phone": "+915550000210"
    }
    assert "555" not in sealed


@pytest.mark.parametrize(
    ("sender", "subject", "field"),
    [("registry", "a:2", "contact"), ("registry", "a:1", "page"), ("otp", "a:1", "contact")],
)
def test_a_field_moved_elsewhere_does_not_open(sender: str, subject: str, field: str) -> None:
    sealed = sealer("registry").seal("notifier", "a:1", "contact", "x")
    with pytest.raises(CannotOpen):
        sealer("notifier").open(sealed, sender=sender, subject=subject, field=field)


def test_a_box_sent_back_does_not_open_as_the_senders() -> None:
    sealed = sealer("registry").seal("notifier", "a:1", "contact", "x")
    _, by, to, box = sealed.split(".")
    turned = f"s1.{to}.{by}.{box}"
    with pytest.raises(CannotOpen):
        sealer("registry").open(turned, sender="notifier", subject="a:1", field="contact")


def test_a_third_service_cannot_open() -> None:
    sealed = sealer("registry").seal("notifier", "a:1", "contact", "x")
    with pytest.raises(CannotOpen):
        sealer("otp").open(sealed, sender="registry", subject="a:1", field="contact")


@pytest.mark.parametrize("damage", ["", "s1", "s1.a/1.b/1.xx", "s1.registry/1.notifier/1.AAAA", "s2.x.y.z.w"])
def test_garbage_does_not_open_and_says_nothing_else(damage: str) -> None:
    with pytest.raises(CannotOpen):
        sealer("notifier").open(damage, sender="registry", subject="a:1", field="contact")


def test_after_a_rotation_old_fields_still_open_and_new_ones_use_the_new_key() -> None:
    old, old_public = keys("registry/1", "notifier/1")
    new, new_public = keys("notifier/2")
    peers = {**old_public, **new_public}
    before = Sealer("registry", {"1": old["registry/1"]}, old_public).seal("notifier", "a:1", "contact", "x")
    registry = Sealer("registry", {"1": old["registry/1"]}, peers)
    notifier = Sealer("notifier", {"1": old["notifier/1"], "2": new["notifier/2"]}, peers)
    after = registry.seal("notifier", "a:1", "contact", "y")
    assert ".notifier/2." in after
    assert notifier.open(before, sender="registry", subject="a:1", field="contact") == "x"
    assert notifier.open(after, sender="registry", subject="a:1", field="contact") == "y"
