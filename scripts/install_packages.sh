#!/usr/bin/env bash
# Installs the Debian packages that are missing, and nothing when none is.
#   scripts/install_packages.sh build          what the program needs
#   scripts/install_packages.sh build check    and what the tests and the formatters need
#   scripts/install_packages.sh build trainer  and what mimo-train needs
set -euo pipefail

build_packages=(g++ cmake ninja-build libfmt-dev nlohmann-json3-dev libcpp-httplib-dev libutf8proc-dev
  libexpected-dev libcli11-dev libtomlplusplus-dev libzstd-dev libssl-dev libxxhash-dev libsqlite3-dev prometheus-cpp-dev)
check_packages=(libgtest-dev libgmock-dev libbenchmark-dev clang clang-format clang-tidy libclang-rt-14-dev
  python3 python3-venv chromium chromium-driver fonts-noto-color-emoji)
# libgloo-dev: libtorch's header for several processes includes it.
trainer_packages=(libtorch-dev libgloo-dev libopenblas0-pthread)

wanted=()
for group in "$@"; do
  case "$group" in
    build) wanted+=("${build_packages[@]}") ;;
    check) wanted+=("${check_packages[@]}") ;;
    trainer) wanted+=("${trainer_packages[@]}") ;;
    *) echo "usage: $0 [build] [check] [trainer]" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query > /dev/null; then
  echo "This is not a Debian system: packages are not installed here. Needed, by their Debian names:" >&2
  echo "  ${wanted[*]}" >&2
  exit 0  # the build says what is really missing
fi

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
  [[ "$status" == installed* ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo > /dev/null; then
    echo "Missing packages, and neither root nor sudo to install them. As root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
if ! command -v apt-get > /dev/null; then
  echo "Missing packages, and no apt-get to install them: ${missing[*]}" >&2
  exit 1
fi

echo "Installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
