"""HTTP edges of the sandbox: Bot API, Messages API, control, pages."""
