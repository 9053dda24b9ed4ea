# Installs what tests of other languages need, once per lock file, under the target directory. Read by their `run` scripts, which set
# `here`, `cache` (a name below the target directory) and `required` (`required` where leaving out is a failure).

cache=${CARGO_TARGET_DIR:-$here/../../target}/$cache
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
failed=0
building=
trap '[ -z "$building" ] || rm -rf "$building"' EXIT

left_out() {
  echo "left out $1: $2"
  if [ "$required" = required ]; then failed=1; fi
}

# place NAME FILE...: where the packages that these files name belong.
place() {
  echo "$cache/$1-$(shift; cat "$@" | cksum | tr ' ' -)"
}

# install NAME PLACE: runs install_NAME in a directory of its own and moves the result to PLACE, so that an interrupted
# installation is never taken for a complete one and two runs at once do not meet.
install() {
  [ -d "$2" ] && return 0
  building=$(mktemp -d "$cache/building-XXXXXX")
  if ! "install_$1" "$building" >"$cache/$1.log" 2>&1; then
    left_out "$1" "its packages could not be installed, see $cache/$1.log"
    rm -rf "$building"
    building=
    return 1
  fi
  mv -T "$building" "$2" 2>/dev/null || rm -rf "$building"
  building=
}
