#!/bin/sh
# compose's store: what it has answered for outlasts a power cut (docs/registry.md). The arguments are those of `weed mini`.
# BUCKET is made in DATA; MASTER and FILER are where the server's own shell finds it; READY says that it may be written to.
set -eu
rm -f "$READY"

# It stands there until the server was stopped as it should be. After a power cut, or a kill, its indexes may lack what its
# volumes hold, and objects be listed that nobody can read: they are written anew from the volumes.
if [ -e "$DATA/not-stopped" ]; then
    weed fix "$DATA"
fi
: > "$DATA/not-stopped"
sync

weed mini -dir="$DATA" -bucket="$BUCKET" "$@" &
server=$!
trap 'kill -TERM $server' TERM INT

# What objects hold is forced to the disk before it answers; whoever wrote forces what it knows of them (infra/lasting.py). The logs of
# changed names, which nobody here follows, go: each start reads all there are.
forces() {
    told=$(printf 'fs.configure -locationPrefix=/buckets/ -fsync=true -apply\nfs.log.purge -daysAgo=0\nfs.ls /buckets\nexit\n' |
        weed shell -master="$MASTER" -filer="$FILER" 2>&1)
    echo "$told" | grep -q '"fsync": *true' && echo "$told" | grep -qx "$BUCKET"
}
until forces; do
    kill -0 $server
    sleep 1
done
touch "$READY"

wait $server || wait $server # a signal ends the first wait, and not the server
rm "$DATA/not-stopped"
