#!/usr/bin/env bash
# Install the environments named on the command line: boot (uv alone), main (.venv), ml (.venv-ml), dev (test tools),
# spark (PySpark, into .venv-ml).
# An environment whose stamp matches its lock and Python is left alone; one that was left half-finished is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
UV_VERSION=${UV_VERSION:-0.13.9}
UV=.venv-boot/bin/uv
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
# Without .pyc files every process would compile thousands of modules again: minutes instead of seconds.
unset PYTHONDONTWRITEBYTECODE
unset VIRTUAL_ENV PYTHONPATH

die() { printf '\nERROR: %s\n' "$*" >&2; exit 1; }

check_python() {
    command -v "$PYTHON" >/dev/null || die "no program '$PYTHON'. Install Python 3.11, 3.12 or 3.13, or name one: make setup PYTHON=/path/to/python3.12"
    interpreter=$("$PYTHON" -c 'import sys; print(sys.executable)') || die "'$PYTHON' does not run."
    version=$("$interpreter" -c 'import platform; print(platform.python_version())')
    case $version in
        3.11.*|3.12.*|3.13.*) ;;
        *) die "$interpreter is Python $version; 3.11, 3.12 or 3.13 is needed. Name one: make setup PYTHON=python3.12" ;;
    esac
}

boot() {
    if [ -x $UV ] && [ "$($UV --version 2>/dev/null | cut -d' ' -f2)" = "$UV_VERSION" ]; then return; fi
    "$interpreter" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$interpreter cannot make virtual environments (no ensurepip). On Debian or Ubuntu: apt-get install python3-venv"
    echo "== installing uv $UV_VERSION"
    rm -rf .venv-boot
    "$interpreter" -m venv .venv-boot
    .venv-boot/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
}

key() { { echo "$version"; cat "$@"; } | sha256sum | cut -c1-20; }

# environment FOLDER LOCK: exactly the packages of LOCK, and this project.
environment() {
    local folder=$1 lock=$2 stamp project
    stamp=$folder/.installed-$(key "$lock")
    project=$folder/.project-$(key pyproject.toml)-$(pwd | sha256sum | cut -c1-8)
    if [ ! -e "$stamp" ]; then
        local began=$SECONDS
        echo "== $folder: installing $lock (Python $version)"
        if [ -e "$folder/.installing" ] || [ "$("$folder/bin/python" -c 'import platform; print(platform.python_version())' 2>/dev/null)" != "$version" ]; then
            $UV venv --quiet --clear --python "$interpreter" "$folder"
        fi
        touch "$folder/.installing"
        rm -f "$folder"/.installed-* "$folder"/.project-* "$folder"/.dev-* "$folder"/.spark-*
        # `sync` takes the lock as it is; `install -r` would resolve again and bring the CUDA packages back.
        $UV pip sync --quiet --compile-bytecode --python "$folder/bin/python" "$lock"
        touch "$stamp"
        rm -f "$folder/.installing"
        echo "   $folder ready in $((SECONDS - began)) s"
    fi
    if [ ! -e "$project" ]; then
        rm -f "$folder"/.project-*
        $UV pip install --quiet --no-deps --python "$folder/bin/python" -e .
        touch "$project"
    fi
}

dev() {
    local folder stamp
    for folder in .venv .venv-ml; do
        stamp=$folder/.dev-$(key requirements-dev.txt)
        if [ ! -e "$stamp" ]; then
            echo "== $folder: test tools"
            rm -f "$folder"/.dev-*
            $UV pip install --quiet --no-deps --compile-bytecode --python "$folder/bin/python" -r requirements-dev.txt
            touch "$stamp"
        fi
    done
}

# What is in both locks has the same version in both (`make lock`): only what is missing is added.
spark() {
    local stamp
    environment .venv-ml requirements-ml.txt
    stamp=.venv-ml/.spark-$(key requirements-spark.txt)
    if [ ! -e "$stamp" ]; then
        local began=$SECONDS
        echo "== .venv-ml: adding requirements-spark.txt"
        rm -f .venv-ml/.spark-*
        $UV pip install --quiet --no-deps --python .venv-ml/bin/python -r requirements-spark.txt
        touch "$stamp"
        echo "   Spark ready in $((SECONDS - began)) s"
    fi
}

check_python
boot
for what in "$@"; do
    case $what in
        boot) ;;
        main) environment .venv requirements.txt ;;
        ml) environment .venv-ml requirements-ml.txt ;;
        dev) dev ;;
        spark) spark ;;
        *) die "unknown environment '$what' (boot, main, ml, dev, spark)" ;;
    esac
done
