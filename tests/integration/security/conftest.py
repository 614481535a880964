"""One secured cluster for all tests of this folder: topics made and ACLs set as an operator would."""

from collections.abc import Iterator

import pytest

from shared.events.rights import rights
from stack.folder import RunFolder
from stack.kafka import Jars
from tests.integration.security.secured import Secured, secured


@pytest.fixture(scope="session")
def kafka(apache_jars: Jars, run_folder: RunFolder) -> Iterator[Secured]:
    """With all rights of the contract and no topic."""
    made = secured(apache_jars, run_folder, name="secured")
    try:
        made.kafka.start()
        made.allow(rights())
        yield made
    finally:
        made.kafka.kill()
