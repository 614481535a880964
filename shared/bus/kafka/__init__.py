"""The one place that talks to aiokafka: it is untyped, so Any stays inside."""
