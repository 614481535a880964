"""console: what operators see of the topics, as pages, as JSON and as the `boothline` command.

owns       nothing: it reads topics without a group, holds no key and writes nowhere
consumes   every topic, by position
produces   nothing
endpoints  GET / /tail /dead/{topic}/{partition}/{offset} /contract /asyncapi.json, GET+POST /sign-in,
           GET /v1/topics /v1/lag /v1/dead /v1/dead/{...} /v1/tail

Beside the usual files: `cli/` is the command line. It speaks HTTP to the services and imports nothing of the server.
"""
