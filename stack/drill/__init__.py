"""The state drill: a whole state is imported, asked and answered against a carrier that only counts, then audited."""
