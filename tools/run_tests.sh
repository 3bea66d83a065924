#!/usr/bin/env bash
# Sets up what is missing, then runs all tests: tools/run_tests.sh [options of pytest]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=tools/setup_env.sh
. tools/setup_env.sh
# Two processes; the tests of a file in one, where they share what its fixtures train.
exec python -m pytest tests -n 2 --dist loadfile "$@"
