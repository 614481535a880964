# One image per service: Python, the packages of the lock that services need, shared/ and the service's own code.
# `docker build --target secrets` makes the image that writes a fresh .env (docs/deploy.md).

FROM python:3.11-slim AS packages
WORKDIR /build
COPY requirements.in requirements.lock deploy/runtime_lock.py ./
RUN python runtime_lock.py requirements.in requirements.lock > runtime.lock \
    && python -m venv --without-pip /opt/boothline \
    && python -m pip --python /opt/boothline/bin/python install --no-cache-dir --no-input --only-binary :all: \
        --require-hashes -r runtime.lock \
    && python -m pip --python /opt/boothline/bin/python check

FROM python:3.11-slim AS base
ENV PATH=/opt/boothline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --gid 10001 boothline \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin boothline
COPY --from=packages /opt/boothline /opt/boothline
WORKDIR /app
COPY deploy/alive.py ./
COPY shared shared
COPY services/__init__.py services/
# unchecked-hash: nothing under /app ever changes, so sources are not looked at again.
RUN python -m compileall -q --invalidation-mode unchecked-hash alive.py shared services

FROM base AS registry
COPY services/registry services/registry
RUN python -m compileall -q --invalidation-mode unchecked-hash services/registry
USER 10001:10001
EXPOSE 8100
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/app/alive.py", "8100"]
CMD ["python", "-m", "services.registry"]

FROM base AS otp
COPY services/otp services/otp
RUN python -m compileall -q --invalidation-mode unchecked-hash services/otp
USER 10001:10001
EXPOSE 8200
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/app/alive.py", "8200"]
CMD ["python", "-m", "services.otp"]

FROM base AS notifier
COPY services/notifier services/notifier
RUN python -m compileall -q --invalidation-mode unchecked-hash services/notifier
USER 10001:10001
EXPOSE 8300
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/app/alive.py", "8300"]
CMD ["python", "-m", "services.notifier"]

FROM base AS console
COPY services/console services/console
RUN python -m compileall -q --invalidation-mode unchecked-hash services/console
USER 10001:10001
EXPOSE 8400
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/app/alive.py", "8400"]
CMD ["python", "-m", "services.console"]

# A made-up carrier and Bot API that anybody who reaches it can read: loopback only, never in production.
FROM base AS sandbox
COPY services/sandbox services/sandbox
RUN python -m compileall -q --invalidation-mode unchecked-hash services/sandbox
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/app/alive.py", "8500"]
CMD ["python", "-m", "services.sandbox"]

FROM base AS secrets
COPY stack/__init__.py stack/keys.py stack/secrets_file.py stack/
USER 10001:10001
ENTRYPOINT ["python", "-m", "stack.secrets_file"]
