#!/bin/sh
# Makes .venv ready: `set_up.sh run` for using Stockwire, `set_up.sh test` for developing it as well.
# Everything lands in the checkout. A stamp in .venv says what was installed, so that a repeated call is instant.
set -eu
cd "$(dirname "$0")/.."
profile=${1:?"set_up.sh run|test"}
venv=.venv

say() { printf '%s\n' "$*" >&2; }
stop() { say "set-up: $*"; exit 1; }

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" || stop "PYTHON=$PYTHON is not Python 3.11, 3.12, 3.13 or 3.14."
    printf '%s' "$PYTHON"; return
  fi
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if fits "$candidate"; then printf '%s' "$candidate"; return; fi
  done
  found=$(python3 --version 2>&1) || stop "no python3 here. Stockwire needs Python 3.11 to 3.14."
  stop "this machine has $found; Stockwire needs Python 3.11 to 3.14 (another one can be named: make ... PYTHON=/path/to/python3.12)."
}

lock_of() { if [ "$1" = test ]; then echo requirements-test.lock; else echo requirements.lock; fi; }

# What an installation of a profile rests on: its locked packages, the package's own metadata and where the checkout lies.
stamp_of() { printf '%s %s %s\n' "$1" "$(cat "$(lock_of "$1")" pyproject.toml | cksum)" "$(pwd)"; }

installed() { # the test profile holds everything of the run profile
  [ -x "$venv/bin/python" ] && [ -f "$venv/stamp" ] || return 1
  stamp=$(cat "$venv/stamp")
  [ "$stamp" = "$(stamp_of "$profile")" ] || [ "$stamp" = "$(stamp_of test)" ]
}

make_venv() {
  python=$(find_python)
  if [ -x "$venv/bin/python" ] && fits "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    stop "$python has no venv module. On Debian and Ubuntu: apt-get install python3-venv"
  say "set-up: making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv" || stop "could not make $venv (is this directory writable for $(id -un)?)"
}

pip() {
  "$venv/bin/python" -m pip --disable-pip-version-check --no-input -qq "$@" ||
    stop "installing failed; the lines above say why. Nothing outside $venv was touched; run the same command again."
}

if installed; then exit 0; fi
make_venv
[ -w "$venv" ] || stop "$venv belongs to another user and is out of date; remove it or run as its owner."
rm -f "$venv/stamp"
lock=$(lock_of "$profile")
say "set-up: installing $(grep -c '^[a-zA-Z]' "$lock") locked packages of $lock"
pip install --no-cache-dir --no-deps --require-hashes --requirement "$lock"
pip install --no-index --no-deps --no-build-isolation --editable .
stamp_of "$profile" >"$venv/stamp"
