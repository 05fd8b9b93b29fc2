# Shared by the commands here: finding a Python, making a virtual environment, going on where a run was interrupted,
# saying what is done.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_REQUIRE_VIRTUALENV=1 PYTHONUNBUFFERED=1
# A PYTHONPATH from outside would mix other packages in. Without compiled modules every process here compiles the package
# anew: half a second for each of hundreds.
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

# Which tests every change runs in each environment; the marks stand in tests/conftest.py.
tests_mo="not anywhere and not long" tests_current="not long"

say() { printf '\n=== %s [%d:%02d]\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

# patiently COMMAND …: runs it; on a terminal, says meanwhile for how long it has been running.
patiently() {
    local begin=$SECONDS code=0 ticker=
    if [ -t 2 ]; then
        while sleep 1 && kill -0 $$ 2>/dev/null; do printf '\r… %d s' $((SECONDS - begin)); done >&2 &
        ticker=$!
    fi
    "$@" || code=$?
    [ -z "$ticker" ] || { kill "$ticker"; wait "$ticker" 2>/dev/null || true; printf '\r\033[K' >&2; }
    return "$code"
}

# find_python MAX_MINOR: the first Python 3.10 … 3.MAX_MINOR that runs and can make virtual environments.
find_python() {
    local max=$1 candidate
    local -a candidates=()
    [ -z "${PYTHON:-}" ] || candidates+=("$PYTHON")
    for minor in 13 12 11 10; do
        [ "$minor" -le "$max" ] || continue
        # pyenv: the command may point nowhere while the version is there
        candidates+=("python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python)
    done
    candidates+=(python3 python)
    for candidate in "${candidates[@]}"; do
        if "$candidate" -c "import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $max))" \
            >/dev/null 2>&1; then
            printf '%s' "$candidate"
            return
        fi
    done
    echo "No Python 3.10 to 3.$max with the venv module was found. Install one, or name it: PYTHON=/path/to/python $0" >&2
    return 2
}

# make_venv DIRECTORY MAX_MINOR EXTRAS: a virtual environment with what the project needs, but not the project.
# It is made again when what it needs has changed. Two can be made at once.
make_venv() {
    local directory=$1 max=$2 extras=$3 python stamp source
    stamp="$extras $(cksum <pyproject.toml)"
    if [ -x "$directory/bin/python" ] && [ "$(cat "$directory/.made-for" 2>/dev/null)" = "$stamp" ]; then
        say "Using $directory ($("$directory/bin/python" --version))"
        return
    fi
    python=$(find_python "$max")
    say "Making $directory with $("$python" --version) ($python)"
    "$python" -m venv --clear "$directory"
    "$directory/bin/python" -m pip install -qq --upgrade pip
    say "Installing from PyPI: the project's needs, with the extras $extras"
    # Builds and installs the project as a user would, from a copy, as building writes beside the sources; what runs
    # afterwards is the checkout itself.
    source=$(mktemp -d)
    cp -r pyproject.toml setup.py MANIFEST.in README.md LICENSE deepspeech_recipe mo_extensions "$source"
    # Modules are compiled when they are imported: all of TensorFlow's would take half a minute.
    patiently "$directory/bin/python" -m pip install -qq --no-compile "$source[$extras]"
    "$directory/bin/python" -m pip uninstall -qq --yes deepspeech-recipe
    rm -rf "$source"
    "$directory/bin/python" -m pip list --format=freeze | grep -iE '^(openvino|tensorflow-cpu|numpy|protobuf|tflite|pytest|ruff)' | tr '\n' ' '
    echo
    printf '%s' "$stamp" >"$directory/.made-for"
}

# python_of 3.8: the Python of that version: PYTHON38, or on PATH, or of pyenv.
python_of() {
    local given="PYTHON${1/./}" candidate
    for candidate in ${!given:-} "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        if "$candidate" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1; then
            printf '%s' "$candidate"
            return
        fi
    done
    echo "No Python $1 was found. Install it, name it ($given=/path/to/python), or say what to run." >&2
    return 2
}

# wanted NAME [PREFIX …]: whether the name begins with one of them, or there are none.
wanted() {
    local name=$1 prefix
    shift
    [ $# -gt 0 ] || return 0
    for prefix; do [[ $name == "$prefix"* ]] && return 0; done
    return 1
}

# make_work: sets `work`, the directory with a folder `results`: WORK, kept so that an interrupted run goes on, or a
# temporary one.
make_work() {
    work=${WORK:-$(mktemp -d)}
    [ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
    work=$(realpath -m "$work")
    mkdir -p "$work/results"
}
