"""Importing tables: in chunks, in constant memory, every row taken whole or rejected with a reason."""

from services.registry.service.importing.jobs import Importing, JobView
from services.registry.service.importing.keeping import Running
from services.registry.service.importing.rejects import RejectedRow

__all__ = ["Importing", "JobView", "RejectedRow", "Running"]
