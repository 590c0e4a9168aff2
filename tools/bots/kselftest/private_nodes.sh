#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Private memory nodes as a kselftest: KTAP on stdout, and 0 (pass), 1 (fail) or 4 (skip).
#
# Arguments are those of `pnode run` (default: --here, on this booted machine). run_kselftest.sh passes
# them on from KSELFTEST_PRIVATE_NODES_SH_ARGS.
#
#   PNODE         the suite's tools/pnode, where this file is not in its checkout any more
#   PNODE_OUTPUT  where the run's directory goes, with its consoles and its other reports
#
# A kernel or a machine without private nodes is a skip. A kernel that speaks another dialect than those the suite knows, and
# whatever else keeps the suite from running, is a failure: a result that nobody has is no reason to go on.

KSFT_PASS=0 KSFT_FAIL=1 KSFT_SKIP=4

# Lines of a message begin with "| ": no parser finds a result in them.
comment()
{
	sed -u -e 's/^/# | /'
}

skip()
{
	echo "1..0 # SKIP $1"
	exit $KSFT_SKIP
}

bail()
{
	echo "Bail out! $1"
	exit $KSFT_FAIL
}

echo "TAP version 13"
pnode=${PNODE:-$(dirname "$(realpath "$0")")/../../pnode}
[ -x "$pnode" ] || bail "no suite at $pnode: set PNODE to its tools/pnode"
[ $# -gt 0 ] || set -- --here

log=$(mktemp) || bail "no room for a file in ${TMPDIR:-/tmp}"
status=$(mktemp) || bail "no room for a file in ${TMPDIR:-/tmp}"
trap 'rm -f "$log" "$status"' EXIT

{
	"$pnode" run --output "${PNODE_OUTPUT:-${TMPDIR:-/tmp}/pnode-selftests}" "$@" 2>&1
	echo $? >"$status"
} | tee "$log" | comment

rc=$(cat "$status")
run=$(sed -n 's/^results: //p' "$log" | tail -n 1)
reason=$(sed -n 's/^pnode: //p' "$log" | tail -n 1)

case $rc in
0 | 1 | 3)
	[ -r "$run/results.tap" ] || bail "the run ended with status $rc and left no results.tap"
	sed -e 1d "$run/results.tap"
	[ "$rc" -eq 0 ] || exit $KSFT_FAIL
	# Results of tests are one comment deep.
	grep '^# ok ' "$run/results.tap" | grep -qv '# SKIP' || exit $KSFT_SKIP
	exit $KSFT_PASS
	;;
*)
	case $reason in
	*"has no private memory nodes"*) skip "this kernel has no private memory nodes" ;;
	*"no private node on this machine"*) skip "this machine has no private node; --dax gives it one" ;;
	*"needs root"*) skip "needs root" ;;
	esac
	bail "${reason:-the suite ended with status $rc}"
	;;
esac
