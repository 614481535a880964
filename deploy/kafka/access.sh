#!/bin/bash
# The users of Kafka with their passwords (KAFKA_PASSWORD_<USER>), and what each of them may do.
#   access.sh HOST:PORT        in the image of Apache Kafka; the certificate of admin lies in /etc/kafka/secrets
# May be run again: passwords are set anew, rights are added and none is taken away.
set -euo pipefail
cd "$(dirname "$0")"
secrets=${SECRETS:-/etc/kafka/secrets}
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
export PATH="${KAFKA_BIN:-/opt/kafka/bin}:$PATH" KAFKA="$1" ADMIN="$work/admin.properties"

cat >"$ADMIN" <<END
security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=$secrets/admin.pem
ssl.truststore.type=PEM
ssl.truststore.location=$secrets/ca.pem
END

for variable in "${!KAFKA_PASSWORD_@}"; do
    user=${variable#KAFKA_PASSWORD_}
    printf 'SCRAM-SHA-512=iterations=8192,password=%s\n' "${!variable}" >"$work/user.properties"
    kafka-configs.sh --bootstrap-server "$KAFKA" --command-config "$ADMIN" --alter --entity-type users \
        --entity-name "${user,,}" --add-config-file "$work/user.properties"
done

# From the event contract: `boothline topics acls`.
sh acls.sh

# kminion and kafka-ui: names, settings, lag and records of everything; no group is theirs, so they commit nothing.
may() { kafka-acls.sh --bootstrap-server "$KAFKA" --command-config "$ADMIN" --add --force --allow-principal User:operator "$@"; }
may --operation Read --operation DescribeConfigs --topic '*'
may --operation Describe --group '*'
may --operation Describe --operation DescribeConfigs --cluster
