# Emotone's service.  docker build -t emotone .  docker run --rm --init -e EMOTONE_KEY -p 127.0.0.1:8000:8000 emotone
# compose.yaml runs it with limits; `make docker-check` takes these steps without a container engine.

# 3.12, since constraints.txt pins all that the service needs on it; 3.13 needs one package more.  The wheels bring their
# own libraries, but for libc, libstdc++, libgcc and zlib: slim has those, so no Debian package is installed.
FROM python:3.12-slim-bookworm AS base

FROM base AS builder
WORKDIR /build
# The dependencies first, with an empty package: a layer that changes with their versions alone.  A tenth of it were the
# tests of numpy and pandas.
COPY pyproject.toml constraints.txt constraints-pipecat.txt ./
COPY src/emotone/__init__.py src/emotone/
RUN touch README.md \
    && mkdir -p web/page web/src && touch web/package.json \
    && python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv install --no-cache-dir -c constraints.txt '.[serve]' \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} +
COPY README.md LICENSE ./
COPY src src
COPY web/package.json web/
COPY web/page web/page
COPY web/src web/src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && pip --python /opt/venv install --no-cache-dir --no-deps --force-reinstall dist/*.whl

FROM base
LABEL org.opencontainers.image.title="emotone" \
      org.opencontainers.image.description="Emotone recognises emotion in speech, and says how far the answer can be trusted." \
      org.opencontainers.image.licenses="MIT"
COPY --from=builder /opt/venv /opt/venv
# The user has no home, and the root file system may be read-only: /tmp is all that is written to.  The service's workers
# are its threads; libraries start none of their own.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1
WORKDIR /tmp
# A number, so that an orchestrator can see that it is not root's.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Without the proxy that the environment may name.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-c", "from urllib import request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
# Options may follow: docker run ... emotone --workers 4 --no-page.  The key comes from EMOTONE_KEY.
ENTRYPOINT ["emotone", "serve", "--host", "0.0.0.0"]
