"""Which ports a run asks for."""

from pathlib import Path

import pytest

from stack.running import SERVER_PORTS, Options, _plan


@pytest.mark.parametrize("usual", [True, False])
def test_a_run_beside_others_takes_no_usual_port_for_its_servers_either(usual: bool) -> None:
    plan = _plan(Options(usual_ports=usual, endpoints_file=Path("/nowhere")))
    asked = {"postgres": plan.postgres_port, "valkey": plan.valkey_port, "kafka": plan.kafka_port}
    assert asked == (SERVER_PORTS if usual else dict.fromkeys(SERVER_PORTS))
