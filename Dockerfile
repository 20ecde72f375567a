# The two images of Octans, from one file:
#   docker build --target octans -t octans .                  the API and the controller
#   docker build --target octans-runner -t octans-runner .    what a task's pod runs
# Any base with python3 (3.11 to 3.13), its venv module and Debian's layout serves.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie

# What both images are: the base with a user, and nothing that installs.
FROM ${BASE_IMAGE} AS system
RUN set -eu; \
    # OpenSSH refuses to work for a user without an entry.
    grep -q '^octans:' /etc/passwd || echo 'octans:x:1000:1000::/home/octans:/bin/sh' >> /etc/passwd; \
    grep -q '^octans:' /etc/group || echo 'octans:x:1000:' >> /etc/group; \
    mkdir -p /home/octans; chown 1000:1000 /home/octans; \
    lib="$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"; \
    rm -rf "$lib"/site-packages/pip* "$lib"/ensurepip "$lib"/idlelib "$lib"/test /usr/local/bin/pip* \
        /usr/share/python-wheels; \
    # Public python images come without bytecode; a read-only root can't make it later.
    python3 -m compileall -q "$lib"
ENV HOME=/home/octans \
    LANG=C.UTF-8 \
    PATH=/opt/octans/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# Installs from the lock files; of this stage only /opt/octans goes into an image.
FROM ${BASE_IMAGE} AS install
# The interpreter's folder gets no pip: pip works on it from its own.
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/octans \
    && echo /opt/octans/app > "$(/opt/octans/bin/python -c \
        'import sysconfig; print(sysconfig.get_path("purelib"))')/octans.pth"
ENV PIP="/opt/pip/bin/pip --python /opt/octans/bin/python --no-cache-dir --disable-pip-version-check"

FROM install AS install-server
COPY requirements/server.txt /tmp/requirements.txt
RUN $PIP install --only-binary :all: --require-hashes -r /tmp/requirements.txt \
    && /opt/octans/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/octans/lib

FROM install AS install-runner
# Which ansible-core: a lock file. Machines with an old Python need an image with an older one.
ARG RUNNER_REQUIREMENTS=requirements/runner.txt
COPY ${RUNNER_REQUIREMENTS} /tmp/requirements.txt
# ansible-test is for Ansible's own developers. Modules are compiled too: their code is read here.
RUN $PIP install --only-binary :all: --require-hashes -r /tmp/requirements.txt \
    && rm -rf /opt/octans/lib/python3*/site-packages/ansible_test /opt/octans/bin/ansible-test \
    && /opt/octans/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/octans/lib

FROM system AS octans-runner
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="octans-runner" \
      org.opencontainers.image.description="Runs one slice of an AnsibleTask in its pod" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN command -v ssh > /dev/null || { apt-get update \
    && apt-get install --yes --no-install-recommends openssh-client \
    && rm -rf /var/lib/apt/lists/*; }
COPY --from=install-runner /opt/octans /opt/octans
# Of the contract only what the program in the pod reads and writes.
COPY crds/__init__.py crds/conditions.py crds/frames.py crds/hosts.py crds/nesting.py crds/ranges.py crds/records.py crds/runinput.py /opt/octans/app/crds/
COPY controller/__init__.py /opt/octans/app/controller/
COPY controller/runner /opt/octans/app/controller/runner
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/octans/app
USER 1000:1000
ENTRYPOINT ["python", "-m", "controller.runner"]

FROM system AS octans
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="octans" \
      org.opencontainers.image.description="The API and the controller of Octans" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=install-server /opt/octans /opt/octans
COPY crds /opt/octans/app/crds
COPY api /opt/octans/app/api
COPY controller /opt/octans/app/controller
RUN rm -rf /opt/octans/app/controller/runner && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/octans/app
USER 1000:1000
# Which of the two programs: `api` or `controller`.
ENTRYPOINT ["python", "-m"]
CMD ["api"]
