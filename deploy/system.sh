#!/usr/bin/env bash
# What Sansheng needs from the system: says which Debian package is missing, or installs it when it may.
#   system.sh run          Java 17+ and Maven, for the embedded Kafka; a language model, to read what was heard by sound
#   system.sh test         the same, and Chromium with Chinese fonts, PostgreSQL, Prometheus and Alertmanager, for the tests
#   system.sh lab          sox and ffmpeg, which spoil sound for bench/ears.py; the language model
#   system.sh venv FOLDER  a virtual environment with Python 3.11 or newer
set -euo pipefail

need=()

want() { # want COMMAND PACKAGE: note the package unless the command is there
  command -v "$1" >/dev/null 2>&1 || need+=("$2")
}

java_version() { java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p' | head -1; }

install_needed() {
  [ ${#need[@]} -eq 0 ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing: ${need[*]} …"
    # a package list may be old or absent: try as it is, then with a fresh one
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null 2>&1 && return
    apt-get update -qq >/dev/null &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null && return
    echo "could not install ${need[*]} (no network?)" >&2
  fi
  echo "missing: ${need[*]}" >&2
  echo "  on Debian or Ubuntu, as root:  apt-get install ${need[*]}" >&2
  exit 1
}

want_reading() { # without the model that makes characters of syllables, these are spelt
  compgen -G "/usr/lib/*/libime/zh_CN.lm" >/dev/null || compgen -G "/usr/lib*/libime/zh_CN.lm" >/dev/null && return
  (need=(libime-data-language-model) && install_needed) ||
    echo "going on without it: what is heard by sound will be shown in pinyin" >&2
}

find_python() {
  for candidate in "${PYTHON:-}" python3.11 python3 python3.12 python3.13; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
      echo "$candidate" && return
  done
  return 1
}

case "${1:-}" in
run | test)
  want java openjdk-17-jre-headless
  want mvn maven
  if [ "$1" = test ]; then
    want chromium chromium
    want prometheus prometheus
    want prometheus-alertmanager prometheus-alertmanager
    compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null || need+=(postgresql)
    [ -n "$(fc-list :lang=zh 2>/dev/null | head -1)" ] || need+=(fontconfig fonts-noto-cjk)
  fi
  install_needed
  want_reading
  version=$(java_version)
  if [ "${version:-0}" -lt 17 ]; then
    echo "Java $version is too old for Kafka 4: install openjdk-17-jre-headless and make it the default" >&2
    exit 1
  fi
  ;;
lab)
  want sox sox
  want ffmpeg ffmpeg
  install_needed
  want_reading
  ;;
venv)
  if ! find_python >/dev/null; then
    need+=(python3 python3-venv)
    install_needed
  fi
  python=$(find_python) || {
    echo "Python 3.11 or newer is missing (set PYTHON=… if it has an unusual name)" >&2
    exit 1
  }
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need+=(python3-venv)
    install_needed
  fi
  echo "making $2 with $("$python" --version) …"
  "$python" -m venv "$2"
  ;;
*)
  sed -n '2,6p' "$0"
  exit 2
  ;;
esac
