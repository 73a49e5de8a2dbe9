# A worker, with the network in it. Also runs the scheduler, with another command.
# `make images` builds it; docs/deployment/containers.md, Images. By hand, from the root of the checkout; with TensorFlow
# (--build-arg EXTRA=worker-tensorflow), also on NVIDIA GPUs (EXTRA=gpu):
#   docker build -f deploy/containers/worker.Dockerfile -t chestline/worker .

# Pinned to a digest in deploy/compose/.env.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
ARG EXTRA=worker
WORKDIR /build
# python-ldap is compiled; what it needs of Debian is pinned by Debian's release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libldap-dev libsasl2-dev \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml requirements.lock ./
RUN python -m venv /opt/uv \
    && sed -n '/^uv==/,/^    # via/p' requirements.lock > uv.txt
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    && if index="$(/opt/uv/bin/pip config get global.index-url 2>/dev/null)"; then \
        export UV_DEFAULT_INDEX="$index"; \
    fi \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r uv.txt \
    && /opt/uv/bin/uv venv /opt/venv \
    && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-cache --compile-bytecode \
        --require-hashes -r pyproject.toml -c requirements.lock --extra "$EXTRA" --extra backup --extra ldap --extra saml --extra tracing

FROM ${PYTHON_IMAGE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libldap-2.5-0 libsasl2-2 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/chestline chestline \
    && install -d -o chestline -g chestline -m 0700 /var/lib/chestline /var/lib/chestline/storage /var/lib/chestline/audit /var/lib/chestline/inbox /var/lib/chestline/backups
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CHESTLINE_VAR=/var/lib/chestline \
    HEARTBEAT_FILE=/tmp/heartbeat
WORKDIR /opt/chestline
COPY --from=packages /opt/venv /opt/venv
COPY manage.py pyproject.toml ./
COPY ml ml
COPY workers workers
COPY scheduler scheduler
COPY webportal webportal
USER 10001
# By the age of the heartbeat, as in the chart: asking Celery would start a client every time, which takes longer than
# any timeout where the worker keeps all cores busy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["sh", "-c", "test -n \"$(find /tmp/heartbeat -mmin -4)\""]
CMD ["celery", "--app", "workers.app", "--quiet", "worker", "--queues", "inference", "--concurrency", "1", "--hostname", "worker@%h", "--loglevel", "INFO"]
