"""Makes a broker as good as new between tests: a tenth of a second instead of the seconds of a new one."""

import time
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

_SECONDS = 60.0
_GONE = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND}


def emptied(bootstrap: str) -> bool:
    """Deletes all topics and groups; False when that fails, as it does where a killed process left a member in a group
    for the length of a session: then only a new broker helps."""
    try:
        return _emptied(bootstrap)
    except KafkaException:
        return False


def _emptied(bootstrap: str) -> bool:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    groups = [group.group_id for group in admin.list_consumer_groups(request_timeout=_SECONDS).result().valid]
    if groups and not _done(admin.delete_consumer_groups(groups, request_timeout=_SECONDS)):
        return False
    deadline = time.monotonic() + _SECONDS
    while topics := _topics(admin):  # the node goes on to show them for some milliseconds
        deleted = _done(admin.delete_topics(topics, operation_timeout=_SECONDS, request_timeout=_SECONDS))
        if not deleted or time.monotonic() > deadline:
            return False
    return True


def _topics(admin: AdminClient) -> list[str]:
    return [name for name in admin.list_topics(timeout=_SECONDS).topics if not name.startswith("__")]


def _done(requests: dict[str, "Future[Any]"]) -> bool:
    for request in requests.values():
        try:
            request.result()  # each ends by itself: `request_timeout`
        except KafkaException as error:
            if error.args[0].code() not in _GONE:
                return False
    return True
