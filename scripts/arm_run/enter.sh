#!/bin/sh
# enter.sh ROOT EMULATOR [FOLDER PLACE MODE]... -- COMMAND...
# Runs a command of another processor among its own files. Called in namespaces of its own (emulation.py), where it is
# the first process: what is mounted and registered here ends with it, and it buries whom the command leaves behind.
set -eu
root=$1 emulator=$2
shift 2
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
cat "/usr/lib/binfmt.d/$emulator.conf" >/proc/sys/fs/binfmt_misc/register
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do
  mkdir -p "$root$2"
  mount --rbind -o "$3" "$1" "$root$2"
  shift 3
done
shift
chroot "$root" "$@"
