"""The HTTP edge that every service shares: application factory, problem details, headers, limits, health, metrics."""

from shared.web.application import Probe, create_web
from shared.web.edge import CSP
from shared.web.problems import Crashed, json_response, problem
from shared.web.serving import PortTaken, serving

__all__ = ["CSP", "Crashed", "PortTaken", "Probe", "create_web", "json_response", "problem", "serving"]
