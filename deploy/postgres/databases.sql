-- Run once by the image, when its volume is empty: a database and a role of its own for each service that has one.
\getenv registry_password REGISTRY_DATABASE_PASSWORD
\getenv notifier_password NOTIFIER_DATABASE_PASSWORD

CREATE ROLE registry LOGIN PASSWORD :'registry_password';
CREATE DATABASE registry OWNER registry;
REVOKE ALL ON DATABASE registry FROM PUBLIC;

CREATE ROLE notifier LOGIN PASSWORD :'notifier_password';
CREATE DATABASE notifier OWNER notifier;
REVOKE ALL ON DATABASE notifier FROM PUBLIC;

REVOKE ALL ON DATABASE postgres FROM PUBLIC;
