#!/usr/bin/env bash
# `make test`: checks, import smoke tests, then pytest in each environment. Arguments go to pytest.
# Every part runs even when an earlier one failed; the last line counts all tests of both environments.
set -uo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE
# Spark is no part of what `make run` installs; its tests need it.
deploy/install.sh main ml dev spark || exit 1

# Browser tests use the machine's Chromium; without it they are skipped and say so.
if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "== installing chromium for the browser tests"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 ||
        echo "   could not install chromium: browser tests will be skipped"
fi

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
failed=()
part() {
    local name=$1 began=$SECONDS
    shift
    echo
    echo "=== $name"
    "$@" || failed+=("$name")
    echo "--- $name: $((SECONDS - began)) s"
}

light=(); ignore=()
for path in tests/unit/{api,notifications,orchestration,platform,powerbi} tests/integration/{airflow,api,notifications,orchestration,platform,powerbi} tests/faults/notifications tests/faults/test_kill_during_run.py tests/dags tests/e2e; do
    [ -e "$path" ] || continue
    light+=("$path")
    ignore+=("--ignore=$path")
done

part "make check" make check
part "imports of .venv" .venv/bin/python tests/smoke/imports.py requirements.in
part "imports of .venv-ml" .venv-ml/bin/python tests/smoke/imports.py requirements-ml.in
part "imports of Spark" .venv-ml/bin/python tests/smoke/imports.py requirements-spark.in
part "tests in .venv-ml" .venv-ml/bin/python -m pytest -q --durations=8 --junitxml="$reports/ml.xml" "${ignore[@]}" "$@" tests/unit tests/integration tests/faults
part "tests in .venv" .venv/bin/python -m pytest -q --durations=8 --junitxml="$reports/main.xml" "$@" "${light[@]}"

echo
[ ${#failed[@]} -eq 0 ] || printf 'FAILED: %s\n' "${failed[@]}"
.venv/bin/python tests/smoke/tally.py "${#failed[@]}" "$reports/ml.xml" "$reports/main.xml"
