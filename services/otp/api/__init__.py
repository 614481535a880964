"""HTTP edge: the confirm pages and the operator's republish."""

from services.otp.api.confirm import confirm_routes
from services.otp.api.operator import operator_routes
from services.otp.api.pages import Pages

__all__ = ["Pages", "confirm_routes", "operator_routes"]
