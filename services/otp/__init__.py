"""otp: asks appointees to prove their phone, and judges what they answer.

owns       challenges, codes (derived, never stored), send counters, replies already judged: all in Valkey
consumes   registry.appointments, registry.people, notifier.deliveries (group `otp`), notifier.replies (`otp-replies`)
produces   otp.challenges, notifier.urgent (codes), notifier.bulk (invitations without one)
endpoints  GET /c/{handle} · POST /c/{handle} · POST /c/{handle}/code · GET+POST /c/{handle}/refuse
           GET /c/{handle}/notice · POST /v1/republish · /static/* · /health /ready /metrics
beside     lua/ one script per step, pages/ templates and static files, locale/ message catalogues
"""
