"""Form fields as plain strings."""

from fastapi import Request


async def fields(request: Request) -> dict[str, str]:
    """The form's text fields; a file is ignored."""
    async with request.form() as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
