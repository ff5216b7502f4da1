# One image for each app in apps/:  docker build --build-arg APP=producer .
# `make images` builds them all and adds version, revision and source.
#
# What comes from the network is fetched once for all apps, with hashes checked; everything later is installed from
# those files. What changes rarely lies below what changes often, so a changed line of code sends a few hundred kB.
# `make images` builds on the digest in deploy/image/base. Here is its tag alone: a builder without a registry finds no
# image by a digest.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm
# The folder in apps/; there is no default
ARG APP
# An image with Rust, for APP=streams: the one in deploy/image/rust builds the wheel of apps/native, with which the app
# counts in Rust. Without one it counts in Python.
ARG RUST_IMAGE=""

FROM ${PYTHON_IMAGE} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
# Wheels only: nothing here has a compiler.
RUN pip download --quiet --require-hashes --only-binary :all: --dest /wheels -r requirements.lock \
    && pip install --quiet --require-hashes --only-binary :all: -r requirements-build.lock

# What the app's pyproject.toml asks for, directly and through other packages of this repository: the requirements as a
# file, and those packages. The stages below copy these two alone, so another app's change does not build them again.
FROM ${PYTHON_IMAGE} AS needs
WORKDIR /build
ARG APP
COPY deploy/image/requirements.py requirements-*.lock ./
COPY apps apps
RUN touch "requirements-${APP}.lock" && mv "requirements-${APP}.lock" own.lock
RUN python requirements.py "apps/${APP}" > requirements.txt \
    && mkdir own && cp --recursive --parents $(python requirements.py --own "apps/${APP}") own

# The lock covers all apps; an app's image gets the part of it that the app needs. An app with a lock of its own
# (requirements-APP.lock) gets its needs from that one, and no other image has its wheels.
FROM wheels AS dependencies
COPY --from=needs /build/own.lock .
RUN [ ! -s own.lock ] || pip download --quiet --require-hashes --only-binary :all: --dest /wheels -r own.lock
COPY --from=needs /build/requirements.txt .
RUN python -m venv --without-pip /app && rm -f /app/bin/*ctivate* \
    && pip --python /app/bin/python install --quiet --no-compile --no-index --find-links /wheels -r requirements.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/lib

# The wheel of apps/native, or nothing. The image with Rust has no Python: maturin is one program, out of its wheel.
FROM ${PYTHON_IMAGE} AS maturin
ARG RUST_IMAGE=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements-native.lock .
RUN { [ -z "${RUST_IMAGE}" ] || pip install --quiet --require-hashes --only-binary :all: --target /maturin \
        -r requirements-native.lock; } && mkdir -p /maturin/bin

FROM ${RUST_IMAGE:-$PYTHON_IMAGE} AS native
ARG RUST_IMAGE=""
WORKDIR /build
COPY --from=maturin /maturin/bin /usr/local/bin/
# What the crate is made with is fetched by itself, so it stays as long as crates.lock does.
COPY apps/native/Cargo.toml apps/native/crates.lock apps/native/restore-lock.sh ./
RUN [ -z "${RUST_IMAGE}" ] || { mkdir src && touch src/lib.rs && ./restore-lock.sh \
        && cargo fetch --quiet --locked; }
COPY apps/native .
# The oldest time that a wheel may have: the same sources give the same bytes.
RUN mkdir /native && { [ -z "${RUST_IMAGE}" ] || PYO3_NO_PYTHON=1 SOURCE_DATE_EPOCH=315532800 \
        maturin build --quiet --release --locked --offline --out /native; }

# The wheel alone, for a release: --target wheel
FROM scratch AS wheel
COPY --from=native /native /

# The packages of this repository, as wheels, into a tree of their own: a thin layer above the dependencies.
FROM dependencies AS packages
ARG APP
COPY --from=needs /build/own .
COPY deploy/image/sitecustomize.py .
COPY --from=native /native /packages
RUN pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir /packages ./apps/* \
    && pip --python /app/bin/python install --quiet --no-compile --no-index --no-deps --prefix /own /packages/*.whl \
    && install -m 644 sitecustomize.py /own/lib/python3*/site-packages/ \
    && ln -s "clickstream-${APP}" /own/bin/app \
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
# 8081: health and metrics of an app whose 8080 is open to the public
EXPOSE 8080 8081
# An image whose app can't even be imported is not made.
ARG RUST_IMAGE=""
RUN app --help >/dev/null && { [ -z "${RUST_IMAGE}" ] || python -c "import clickstream_native"; }
# Signals go straight to the app: it is the container's first process.
ENTRYPOINT ["/app/bin/app"]

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
