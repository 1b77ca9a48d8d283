#!/bin/sh
# What `npm start` runs: install what is missing, then `shoal up` with the namespace at ~/Shoal, unless --mount DIR or
# --no-mount says otherwise. All other arguments go to `shoal up`. The shell becomes the node (exec), so that Ctrl-C
# and SIGTERM reach it and it unmounts; and it names node by path, since a shell remembers where the old one was.
set -eu
cd "$(dirname "$0")/.."

node scripts/setup.mjs

place=default
for argument do
  shift
  case $argument in
    --no-mount) place=none; continue ;;
    --mount | --mount=*) place=given ;;
  esac
  set -- "$@" "$argument"
done
if [ "$place" = default ]; then set -- --mount "$HOME/Shoal" "$@"; fi

exec node_modules/.bin/node cli/shoal.mjs up "$@"
