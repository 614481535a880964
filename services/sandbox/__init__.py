"""Sandbox: a strict local Telegram Bot API and an SMS carrier with Twilio's HTTP API, on loopback only.

Owns: nothing on disk; phones, chats, messages and the call log live in memory and are bounded.
Consumes and produces: no topic. The notifier calls it as it calls the real providers, only the base URLs differ.
Endpoints: `/bot<token>/<method>` (Bot API), `/2010-04-01/Accounts/<sid>/Messages.json` (Messages API),
`/gateway/<method>` (Telegram Gateway: codes by phone number),
`/control/...` (for tests and simulated workers, OpenAPI under `/openapi.json`), `/` (pages that show the phones),
`/t.me/<bot>?start=...` (what a t.me link does on a phone).
"""
