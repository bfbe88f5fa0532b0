#!/bin/sh
# Makes .venv from the locked files, by uv where it can be had and by pip otherwise. Nothing is
# installed outside this folder. Run by make; a second run with the same locks does nothing.
set -eu
cd "$(dirname "$0")/../.."

stop() {
    echo "set-up: $*" >&2
    exit 1
}

find_python() {
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    stop "Python 3.11, 3.12 or 3.13 is needed: apt-get install python3 (or make PYTHON=/path/to/python3)"
}

# Prints the path of uv, or nothing. A uv of our own goes to .tools, by hash.
find_uv() {
    if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
        command -v uv
        return
    fi
    if [ ! -x .tools/uv/bin/uv ]; then
        "$1" -m pip install --quiet --disable-pip-version-check --require-hashes \
            --requirement infra/tools/uv.txt --target .tools/uv >/dev/null 2>&1 ||
            { "$1" -m venv .tools/uv && .tools/uv/bin/python -m pip install --quiet \
                --disable-pip-version-check --require-hashes --requirement infra/tools/uv.txt; } \
                >/dev/null 2>&1 || return 0
    fi
    [ -x .tools/uv/bin/uv ] && echo "$PWD/.tools/uv/bin/uv"
}

# uv brings certificates of its own; a machine behind a proxy has those that count in its own store.
trust_the_system() {
    if "$1" pip install --help 2>/dev/null | grep -q -e --system-certs; then
        export UV_SYSTEM_CERTS=true
    else
        export UV_NATIVE_TLS=true
    fi
}

by_uv() {
    [ -n "$uv" ] &&
        "$uv" venv --quiet --allow-existing --python "$python" .venv &&
        "$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements-dev.txt &&
        "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable client
}

by_pip() {
    echo "set-up: without uv this takes a minute or two"
    "$python" -m venv .venv ||
        stop "this Python cannot make environments: apt-get install python3-venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        --no-deps --requirement requirements-dev.txt &&
        .venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --no-deps --no-build-isolation --editable client
}

python=$(find_python)
mkdir -p .tools
uv=$(find_uv "$python")
[ -z "$uv" ] || trust_the_system "$uv"
echo "set-up: .venv with $("$python" --version)${uv:+ and uv}"
rm -f .venv/ready
if [ -x .venv/bin/python ] && ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != tuple(map(int, sys.argv[1].split("."))))' \
    "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"; then
    rm -rf .venv
fi
by_uv || by_pip || stop "the locked packages could not be installed"
touch .venv/ready
