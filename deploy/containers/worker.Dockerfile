# A worker, with the network in it. Also runs the scheduler, with another command.
# Build from the root of the checkout; for NVIDIA GPUs with --build-arg TENSORFLOW_EXTRA=and-cuda:
#   docker build -f deploy/containers/worker.Dockerfile -t chestline/worker .

FROM python:3.13-slim-bookworm AS packages
ARG TENSORFLOW_EXTRA=""
WORKDIR /build
COPY constraints.txt ./
COPY deploy/containers/portal-requirements.txt deploy/containers/worker-requirements.txt deploy/containers/gpu-constraints.txt ./
RUN sed -i "s/^tensorflow==/tensorflow${TENSORFLOW_EXTRA:+[$TENSORFLOW_EXTRA]}==/" worker-requirements.txt \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        -r worker-requirements.txt -c constraints.txt -c gpu-constraints.txt

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/chestline chestline \
    && install -d -o chestline -g chestline -m 0700 /var/lib/chestline /var/lib/chestline/storage /var/lib/chestline/audit
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
USER chestline
# `inspect ping` starts a client of its own, hence the long interval.
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s \
    CMD ["sh", "-c", "celery --app workers.app inspect ping --timeout 10 --destination worker@$(hostname)"]
CMD ["celery", "--app", "workers.app", "--quiet", "worker", "--queues", "inference", "--concurrency", "1", "--hostname", "worker@%h", "--loglevel", "INFO"]
