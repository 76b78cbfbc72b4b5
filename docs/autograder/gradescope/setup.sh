#!/usr/bin/env bash
# Install minicnn into the image of an assignment; Gradescope runs this once.
set -euo pipefail
python=python3
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    python=python3.11
fi
apt-get update
apt-get install -y "$python" "$python-venv"
"$python" -m venv /autograder/venv
/autograder/venv/bin/python -m pip install /autograder/source/minicnn-*.whl
