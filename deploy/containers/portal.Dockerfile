# The portal: pages, REST interface, uploads. Also runs the receivers and the one-shot `prepare`.
# `make images` builds it; docs/deployment/containers.md, Images. By hand, from the root of the checkout:
#   docker build -f deploy/containers/portal.Dockerfile -t chestline/portal .

# Pinned to digests in deploy/compose/.env.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${NODE_IMAGE} AS frontend
WORKDIR /build/webportal/frontend
COPY webportal/frontend/package.json webportal/frontend/package-lock.json webportal/frontend/.npmrc ./
RUN --mount=type=secret,id=ca,target=/run/secrets/ca \
    --mount=type=secret,id=npmrc,target=/root/.npmrc \
    NODE_EXTRA_CA_CERTS=/run/secrets/ca npm ci --omit=dev
COPY webportal/frontend ./
RUN npm run build

FROM ${PYTHON_IMAGE} AS packages
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
        --require-hashes -r pyproject.toml -c requirements.lock --extra ldap --extra saml --extra tracing

FROM ${PYTHON_IMAGE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libldap-2.5-0 libsasl2-2 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/chestline chestline \
    && install -d -o chestline -g chestline -m 0700 /var/lib/chestline /var/lib/chestline/storage /var/lib/chestline/audit \
        /var/lib/chestline/inbox /var/lib/chestline/incoming
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CHESTLINE_VAR=/var/lib/chestline
WORKDIR /opt/chestline
COPY --from=packages /opt/venv /opt/venv
COPY manage.py pyproject.toml ./
COPY ml ml
COPY workers workers
COPY webportal webportal
COPY --from=frontend /build/webportal/static/dist webportal/static/dist
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["python", "-m", "webportal.server", "--bind", "0.0.0.0:8000"]
