"""The registry: units, posts, people, appointments, audiences, and the portal.

Owns       PostgreSQL database of its own (`migrations/versions`)
Consumes   otp.challenges (state of a challenge; group `registry`), notifier.deliveries (state of a message;
           `registry-deliveries`)
Produces   registry.appointments, registry.people, notifier.bulk (announcements), notifier.urgent (the notice `ended`)
Endpoints  /v1/... (API key), portal (sign-in by a one-time link), /health /ready /metrics
Run        python -m services.registry [serve | relay | migrate | bootstrap | sign-in | rekey]

Beside the usual anatomy: `presets/*.toml` (levels, posts, rules, CSV columns as data), `relay.py` (outbox to topics),
`sql/*.sql` (every statement that `store` runs, by name).
"""
