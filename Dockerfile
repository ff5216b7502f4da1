# One image for each app:  docker build --build-arg APP=producer .      (or streams, consumer, collector)
# `make images` builds them all and adds version, revision and source.
#
# What comes from the network is fetched once for all apps, with hashes checked; everything later is installed from
# those files. What changes rarely lies below what changes often, so a changed line of code sends a few hundred kB.
# `make images` adds the digest that the tag has at that moment, `make pin-image` writes it here.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm
# producer, streams, consumer or collector; there is no default
ARG APP

FROM ${PYTHON_IMAGE} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
# Wheels only: nothing here has a compiler.
RUN pip download --quiet --require-hashes --only-binary :all: --dest /wheels -r requirements.lock \
    && pip install --quiet --require-hashes --only-binary :all: -r requirements-build.lock

# The lock covers all apps; an app's image gets what its own pyproject.toml asks for, directly or by our own packages.
FROM wheels AS dependencies
ARG APP
COPY apps/core/pyproject.toml apps/core/
COPY apps/kafka/pyproject.toml apps/kafka/
COPY apps/web/pyproject.toml apps/web/
COPY apps/${APP}/pyproject.toml apps/${APP}/
COPY deploy/image/requirements.py .
RUN python -m venv --without-pip /app && rm -f /app/bin/*ctivate* \
    && python requirements.py "apps/${APP}" > dependencies.txt \
    && pip --python /app/bin/python install --quiet --no-compile --no-index --find-links /wheels -r dependencies.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/lib

# The packages of this repository, as wheels, into a tree of their own: a thin layer above the dependencies.
FROM dependencies AS packages
ARG APP
COPY apps/core apps/core
COPY apps/kafka apps/kafka
COPY apps/web apps/web
COPY apps/${APP} apps/${APP}
COPY deploy/image/sitecustomize.py .
RUN pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir /packages $(python requirements.py --own "apps/${APP}") \
    && pip --python /app/bin/python install --quiet --no-compile --no-index --no-deps --prefix /own /packages/*.whl \
    && install -m 644 sitecustomize.py /own/lib/python3*/site-packages/ \
    && python -m compileall -q --invalidation-mode unchecked-hash /own/lib

# Bytecode is made here, because the file system is read-only later; without it each start would compile hundreds of
# modules again. The base image has none for the standard library, and brings pip, which nothing needs at run time.
FROM ${PYTHON_IMAGE} AS runtime
RUN pip uninstall --quiet --yes --root-user-action ignore pip setuptools wheel \
    && rm -rf /usr/local/lib/python3*/ensurepip /root/.cache \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x '/(test|tests|idlelib|lib2to3|tkinter|turtledemo|site-packages)/' /usr/local/lib/python3*
COPY LICENSE /app/
COPY --from=dependencies /app /app
COPY --from=packages /own /app
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
EXPOSE 8080
# An image whose app can't even be imported is not made.
ARG APP
RUN clickstream-${APP} --help >/dev/null

# Signals go straight to the app: it is the container's first process.
FROM runtime AS app-producer
ENTRYPOINT ["/app/bin/clickstream-producer"]
FROM runtime AS app-streams
ENTRYPOINT ["/app/bin/clickstream-streams"]
FROM runtime AS app-consumer
ENTRYPOINT ["/app/bin/clickstream-consumer"]
FROM runtime AS app-collector
ENTRYPOINT ["/app/bin/clickstream-collector"]
# Health and metrics, apart from what the public reaches.
EXPOSE 8081

FROM app-${APP}
ARG APP
ARG PYTHON_IMAGE
ARG VERSION=""
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="clickstream-${APP}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
