#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the suite and tells LAVA each result by lava-test-case: see private-nodes.yaml. The case "pnode-run"
# stands for the run: it passes when every requirement of level must holds and nothing is missing.
#
#   PNODE_ARGS    of pnode run (default: --here)
#   PNODE_OUTPUT  where the run's directory goes (default: results)
#   PNODE         the suite's tools/pnode (default: of this checkout)
#
# ok is pass, "ok # SKIP" and a failure that is known are skip, MISS is unknown, and all else is fail.

pnode=${PNODE:-$(dirname "$(realpath "$0")")/../../pnode}
log=$(mktemp) || exit 1
status=$(mktemp) || exit 1
trap 'rm -f "$log" "$status"' EXIT

{
	# shellcheck disable=SC2086 # words of a parameter of the job
	"$pnode" run --output "${PNODE_OUTPUT:-results}" ${PNODE_ARGS:---here} 2>&1
	echo $? >"$status"
} | tee "$log"
rc=$(cat "$status")
tap=$(sed -n 's/^results: //p' "$log" | tail -n 1)/results.tap

# The tests of a group are comments before the group's own result; names have no blanks in them.
[ ! -r "$tap" ] || awk '
	function result(word, directive) {
		if (directive ~ /^(SKIP|TODO)/) return "skip"
		if (word == "ok") return "pass"
		return directive ~ /^MISS/ ? "unknown" : "fail"
	}
	{ directive = index($0, " # ") ? substr($0, index(substr($0, 4), " # ") + 6) : "" }
	/^# ok [0-9]+ /     { cases[++n] = $4 " --result " result("ok", directive) }
	/^# not ok [0-9]+ / { cases[++n] = $5 " --result " result("not", directive) }
	/^(not )?ok [0-9]+ / {
		print "lava-test-set start " ($1 == "ok" ? $3 : $4)
		for (i = 1; i <= n; i++) print "lava-test-case " cases[i]
		print "lava-test-set stop"
		n = 0
	}' "$tap" | sh

[ "$rc" -eq 0 ] && result=pass || result=fail
lava-test-case pnode-run --result "$result" --measurement "$rc" --units exit-status
exit 0
