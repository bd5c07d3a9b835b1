#!/usr/bin/env bash
# Makes .venv and installs the lock and the project into it; `make setup` calls it.
# Does nothing when neither the lock nor the packaging has changed since the last time.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
python=$venv/bin/python
stamp=$venv/installed
lock=requirements/dev.txt
tpu_lock=requirements/tpu.txt
system_libraries=(libegl1 libgl1 libfontconfig1)

say() { printf '%s\n' "$*" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }

# The first interpreter that runs and is new enough (a name on PATH may be an empty shim).
find_python() {
    local candidate
    for candidate in python3.12 python3.13 python3.14 python3 python; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    say "AniMatrix needs Python 3.12 or newer and this machine has $(python3 --version 2>/dev/null \
        || echo none): install python3.12 (with its venv module), then run make again."
    exit 2
}

# What an installation depends on: the files, the interpreter, the place.
fingerprint() {
    "$python" - "$lock" "$tpu_lock" requirements/{base.in,tfds.in,setup.sh} setup.py pyproject.toml <<'PYTHON'
import hashlib, pathlib, sys

digest = hashlib.sha256(f"{sys.version}\n{pathlib.Path.cwd()}\n".encode())
for name in sys.argv[1:]:
    digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())
PYTHON
}

imports_work() { "$python" -c 'import cv2, skia' 2>/dev/null; }

# skia draws with the system's own graphics and font libraries, which a bare container lacks.
install_system_libraries() {
    local as_root=()
    if [[ $(id -u) != 0 ]]; then
        as_root=(sudo -n)
    fi
    say "Installing system libraries: ${system_libraries[*]}"
    if command -v apt-get >/dev/null && "${as_root[@]}" apt-get update -qq >&2 \
        && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" \
            apt-get install -y -qq --no-install-recommends "${system_libraries[@]}" >&2; then
        imports_work && return
    fi
    say "skia or cv2 does not import ($("$python" -c 'import cv2, skia' 2>&1 | tail -n 1)):" \
        "install ${system_libraries[*]} (or your system's names for them), then run make again."
    exit 2
}

# libtpu compiles for TPUs on machines without one; there are wheels for Linux on x86_64 only.
tpu_compiler_runs() {
    "$python" - <<'PYTHON'
import platform, sys

libc, version = platform.libc_ver()
new = libc == "glibc" and tuple(map(int, version.split("."))) >= (2, 31)
sys.exit(not (new and (platform.system(), platform.machine()) == ("Linux", "x86_64")))
PYTHON
}

# Into a folder that is not importable: where libtpu is, `import jax` searches for a TPU aloud.
install_tpu_compiler() {
    local folder=$venv/tpu
    if [[ -f $folder/lock && $(<"$folder/lock") == "$(<"$tpu_lock")" ]]; then
        return
    fi
    say "Installing the TPU compiler into $folder (some 700 MB)"
    rm -rf "$folder"
    "${pip[@]}" install --no-deps --require-hashes --target "$folder" -r "$tpu_lock"
    cp "$tpu_lock" "$folder/lock"
}

if ! new_enough "$python"; then
    found=$(find_python)
    if ! "$found" -m venv --clear "$venv" >/dev/null; then
        say "$found cannot make a virtual environment: install its venv module" \
            "(python3.12-venv on Debian and Ubuntu), then run make again."
        exit 2
    fi
fi

wanted=$(fingerprint)
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

say "Installing into $venv (a minute or two)"
pip=("$python" -m pip --quiet --disable-pip-version-check --no-input)
"${pip[@]}" install --require-hashes -r "$lock"
"${pip[@]}" install --no-deps --no-build-isolation -e .
imports_work || install_system_libraries
if tpu_compiler_runs; then
    install_tpu_compiler
fi
echo "$wanted" >"$stamp"
