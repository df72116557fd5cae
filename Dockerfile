ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS packages
RUN python -m venv --without-pip /venv
COPY recipes/requirements.txt /build/
COPY recipes/compose/requirements.txt /build/compose/
RUN pip --python /venv/bin/python install --requirement /build/compose/requirements.txt

FROM ${PYTHON_IMAGE}
RUN useradd --create-home --home-dir /var/lib/celery celery
RUN python -m compileall -q "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=packages /venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /app
COPY recipes/ .
USER celery
