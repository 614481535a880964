#!/bin/sh
# Makes what Kafka and its clients trust: a CA and certificates for the broker and for the job that sets up access.
#   sh deploy/kafka/certificates.sh [FOLDER] [DAYS]       needs openssl
# FOLDER (.tls) is for its owner only; a container sees just the part that is mounted. Run again after removing kafka/
# and admin/: they are made anew by the same CA. DAYS: how long these two are good (825); the CA ten years.
set -eu
umask 022
folder=${1:-.tls}
days=${2:-825}
mkdir -p -m 0700 "$folder"
cd "$folder"
mkdir -p ca kafka admin

if [ ! -e ca.key ]; then
    (umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key)
    openssl req -new -x509 -key ca.key -sha256 -days 3650 -subj "/CN=boothline kafka CA" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out ca/ca.pem
fi

signed() { # NAME EXTENSIONS: the private key, then the certificate, as Kafka wants them in one file
    [ ! -e "$1/$1.pem" ] || { echo "$folder/$1/$1.pem exists and is kept"; return 0; }
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1/key"
    openssl req -new -key "$1/key" -subj "/CN=$1" -out "$1/request"
    printf '%s\n' "$2" >"$1/extensions"
    openssl x509 -req -in "$1/request" -CA ca/ca.pem -CAkey ca.key -CAcreateserial -sha256 -days "$days" \
        -extfile "$1/extensions" -out "$1/certificate" 2>/dev/null
    cat "$1/key" "$1/certificate" >"$1/$1.pem"
    rm "$1/key" "$1/request" "$1/extensions" "$1/certificate"
    cp ca/ca.pem "$1/ca.pem"
}

signed kafka "subjectAltName=DNS:kafka,DNS:localhost
extendedKeyUsage=serverAuth,clientAuth"
signed admin "extendedKeyUsage=clientAuth"
