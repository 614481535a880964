"""HTTP edge: the confirm pages, their static files, and the operator's republish."""

from services.otp.api.confirm import confirm_routes
from services.otp.api.operator import operator_routes
from services.otp.api.pages import Pages
from services.otp.api.static import static_routes

__all__ = ["Pages", "confirm_routes", "operator_routes", "static_routes"]
