#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A job for KernelCI, or for any system that reports to KCIDB: certifies a kernel that was built elsewhere, and
# sends what came of it. Arguments are further ones of pnode run, such as --topology fast.
#
#   KERNEL, BUILD       the image and the directory it was built in (unset: the reference kernel)
#   TREE, BRANCH, URL   where its source is from, COMMIT its commit
#   SERIES, MESSAGE_ID, PATCHSET_HASH  of the respin on top, if any
#   ORIGIN              the name that KernelCI gave your system
#   FILES_URL           where the run's directory will be published, if anywhere
#   KCIDB_REST          https://TOKEN@HOST/PATH of KCIDB (unset: nothing is sent)
#   OUTPUT              where the run's directory goes (default: results)
#
# The exit status is that of pnode run; 4 when its report could not be sent.
set -uo pipefail

pnode=${PNODE:-$(dirname "$(realpath "$0")")/../../pnode}
words=()
option() # NAME VALUE: --NAME VALUE, unless it is empty
{
	[ -z "$2" ] || words+=("--$1" "$2")
}
option kernel "${KERNEL:-}"
option build "${BUILD:-}"
option tree "${TREE:-}"
option git-branch "${BRANCH:-}"
option git-url "${URL:-}"
option git-commit "${COMMIT:-}"
option series "${SERIES:-}"
option message-id "${MESSAGE_ID:-}"
option patchset-hash "${PATCHSET_HASH:-}"
option kcidb-origin "${ORIGIN:-}"
option files-url "${FILES_URL:-}"

log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
"$pnode" run --output "${OUTPUT:-results}" "${words[@]}" "$@" | tee "$log"
status=${PIPESTATUS[0]}
run=$(sed -n 's/^results: //p' "$log" | tail -n 1)

if [ -n "${KCIDB_REST:-}" ] && [ -n "$run" ]; then
	"$(dirname "$(realpath "$0")")/submit.py" "$run" || exit 4
fi
exit "$status"
