#!/bin/sh
# Renews requirements.lock and requirements-test.lock: the newest versions that pyproject.toml allows, for Python 3.11 to
# 3.14 and every system at once, with hashes and without any address. UPGRADE=1 takes newer versions of what is locked.
set -eu
cd "$(dirname "$0")/.."
tool=.venv/lock-tool
[ -x "$tool/bin/uv" ] || { .venv/bin/python -m venv "$tool" && "$tool/bin/python" -m pip --quiet install --no-cache-dir uv; }

compile() { # output, further arguments
  output=$1; shift
  printf 'setuptools>=77\n' | "$tool/bin/uv" pip compile --quiet --no-config --no-cache --universal --python-version 3.11 \
    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
    ${UPGRADE:+--upgrade} "$@" pyproject.toml - --output-file "$output"
}

compile requirements.lock
compile requirements-test.lock --extra test --constraint requirements.lock
