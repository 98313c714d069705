# SPDX-License-Identifier: BSD-3-Clause
"""route: what the choice of host and path costs, by the number of hosts; route_bench.c measures."""

import json
import subprocess


def run(args, say):
    result = json.loads(subprocess.run([f"{args.build}/tests/bench/route_bench"], text=True,
                                       capture_output=True, check=True).stdout)
    for row in result["hosts"]:
        say(f"{row['hosts']:6} hosts of {result['paths']} paths: {row['cycles']:.0f} cycles a lookup of ten of them, "
            f"{row['cycles_all']:.0f} of all")
    result["ratio_most_least"] = result["hosts"][-1]["cycles"] / result["hosts"][0]["cycles"]
    return result
