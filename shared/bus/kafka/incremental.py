"""IncrementalAlterConfigs, which aiokafka 0.14 lacks: its own AlterConfigs sets everything unnamed back to the default
(measured: setting max.message.bytes turned cleanup.policy=compact into delete)."""

from collections.abc import Mapping
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

_KEY = 44  # https://kafka.apache.org/protocol, IncrementalAlterConfigs
_TOPIC = 2
_SET = 0


class _Response(Response):  # type: ignore[misc] # untyped base class
    API_KEY = _KEY
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _Request(RequestStruct):  # type: ignore[misc] # untyped base class
    API_KEY = _KEY
    API_VERSION = 0
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(("name", String("utf-8")), ("config_operation", Int8), ("value", String("utf-8"))),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _Altering(Request[_Request]):  # type: ignore[misc] # untyped base class
    API_KEY = _KEY

    def __init__(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_Request]) -> _Request:
        resources = [
            (_TOPIC, topic, [(name, _SET, value) for name, value in configs.items()])
            for topic, configs in self._topics.items()
        ]
        return request_struct_class(resources, False)


async def set_configs(client: Any, topics: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Set these settings of these topics and leave all others alone; why it was refused, by topic. `client` is an
    aiokafka admin client. Raises KafkaError."""
    answer = await client._send_request(_Altering(topics))  # noqa: SLF001 # there is no public way
    return {name: message or f"error {code}" for code, message, _, name in answer.responses if code}
