# SPDX-License-Identifier: BSD-3-Clause
"""l4-pps: 64-byte UDP through full NAT, beside testpmd swapping MACs.

A packet a second is one that the box forwarded, in either direction: client's datagram to a pod, or
the pod's answer to the client. testpmd's is one that it returned. Both get the same packets from the
same loop of the generator, in turns of `seconds`, so that a machine that is slow for a while is slow
for both; the numbers are medians of the turns.
"""

from statistics import median

import plan
from machines import LabError, drops, stage_cycles

TARGETS = {100000: 0.6, 1000000: 0.45}
FLOW_BYTES_MAX = 160
WINDOW = 512  # packets on their way; a ring holds 1024
SWEEP_WINDOW = 64


def steady(bench, link, family, flows, seconds):
    result = bench.generator.do("udp", link, family, mode="steady", flows=flows, window=WINDOW,
                                seconds=seconds, warm=min(0.2, seconds / 2))
    check(result, link)
    return result


def check(result, link):
    """Only right packets count."""
    if result["wrong"]:
        raise LabError(f"{link}: {result['wrong']} of {result['checked']} samples wrong: "
                       f"{result['wrong_what']}")
    returned = result["sent"] - result["lost"]
    if result["mirrored"] != (returned if link == "testpmd" else 0):
        raise LabError(f"{link}: {result['mirrored']} of {returned} packets came back mirrored")


def open_flows(bench, family, flows):
    """Each flow once, then, with all of them open, each once more. Every packet is checked."""
    results = []
    # The very first packets wait for the box to find its neighbours.
    bench.generator.do("udp", "box", family, mode="sweep", flows=1, window=1)
    for _ in range(2):
        result = bench.generator.do("udp", "box", family, mode="sweep", flows=flows,
                                    window=SWEEP_WINDOW)
        check(result, "box")
        if result["missing"]:
            raise LabError(f"{result['missing']} of {flows} flows never came back; "
                           f"drops: {drops(bench.box.channel.stats())}")
        results.append(result)
    if results[1]["lost"]:
        raise LabError(f"{results[1]['lost']} packets of open flows were lost")
    return {"flows_per_second": round(flows / results[0]["seconds"]),
            "pods_reached": results[0]["pods_seen"], "packets_checked": sum(
                result["checked"] for result in results)}


def turns(bench, family, flows, seconds, count):
    """testpmd and the box in turns."""
    theirs, ours, cycles, idle = [], [], [], []
    lost = sent = checked = 0
    for _ in range(count):
        bench.testpmd.start()
        theirs.append(steady(bench, "testpmd", family, flows, seconds)["pps"])
        bench.testpmd.stop()
        bench.box.resume()
        before = bench.box.channel.stats()
        result = steady(bench, "box", family, flows, seconds)
        cycles.append(stage_cycles(before, bench.box.channel.stats()))
        bench.box.pause()
        ours.append(result["pps"])
        idle.append(result["empty_polls"])
        lost, sent, checked = (lost + result["lost"], sent + result["sent"],
                               checked + result["checked"])
    return {
        "pps": round(median(ours)), "testpmd_pps": round(median(theirs)),
        "ratio": round(median(ours) / median(theirs), 3),
        "pps_turns": [round(pps) for pps in ours],
        "testpmd_pps_turns": [round(pps) for pps in theirs],
        "loss": lost / sent, "samples_checked": checked,
        "cycles_per_packet": {stage: round(median(turn[stage] for turn in cycles), 1)
                              for stage in cycles[0]},
        "generator_empty_polls": round(median(idle), 3),
    }


def half_load(bench, family, flows, pps, seconds):
    """Times of one pass at half of the box's rate, by the box and by testpmd."""
    def paced(link, rate):
        result = bench.generator.do("udp", link, family, mode="paced", flows=flows,
                                    rate=round(rate), seconds=seconds, warm=0.2)
        check(result, link)
        return {"pps": round(result["pps"]), "loss": result["lost"] / result["sent"],
                **{key: round(value, 2) for key, value in result["latency"].items()}}

    # Each datagram passes the box twice.
    bench.box.resume()
    ours = paced("box", pps / 4)
    bench.box.pause()
    bench.testpmd.start()
    theirs = paced("testpmd", pps / 2)
    bench.testpmd.stop()
    return {"box": ours, "testpmd": theirs,
            **{f"added_{key}": round(ours[key] - theirs[key], 2) for key in ("p50_us", "p99_us")}}


def memory(bench, sizes, used):
    """Bytes a flow: what the box reports, and by how much its hugepages grow with the table."""
    capacities = {}
    for size in sizes:
        if size not in used:
            used[size] = measure_table(bench.start_box(size))
        capacities[used[size]["capacity"]] = used[size]["hugetlb"]
    small, large = min(capacities), max(capacities)
    reported = max(table["bytes"] / table["capacity"] for table in used.values())
    return {"flow_bytes_reported": round(reported, 1),
            "flow_bytes_measured": round(
                (capacities[large] - capacities[small]) / (large - small), 1),
            "target": FLOW_BYTES_MAX}


def measure_table(box):
    worker = box.channel.stats().workers[0]
    return {"capacity": worker.flows_capacity, "bytes": worker.flow_bytes,
            "hugetlb": box.hugetlb_bytes()}


def one_case(bench, family, flows, args, tables):
    size = plan.table_size(flows)
    box = bench.start_box(size)
    tables.setdefault(size, measure_table(box))
    for link in ("testpmd", "box"):
        bench.generator.net(link, family, "udp")
    bench.generator.do("resolve", "box", family, seconds=10)
    case = {"flows": flows, "family": family}
    case["setup"] = open_flows(bench, family, flows)
    box.pause()
    case.update(turns(bench, family, flows, args.seconds, args.turns))
    case["latency_half_load"] = half_load(bench, family, flows, case["pps"], args.seconds)
    if flows in TARGETS:
        case["target"] = TARGETS[flows]
        case["met"] = case["ratio"] >= TARGETS[flows]
    box.resume()
    case["flows_held"] = box.channel.stats().workers[0].flows
    case["drops"] = drops(box.channel.stats())
    return case


def run(bench, args, say):
    cases, tables = [], {}
    bench.start_testpmd()
    say(HEAD)
    for flows in args.flows:
        for family in args.family:
            case = one_case(bench, family, flows, args, tables)
            cases.append(case)
            say(row(case))
    used = memory(bench, (262144, 1048576), tables)
    used["met"] = max(used["flow_bytes_reported"], used["flow_bytes_measured"]) <= FLOW_BYTES_MAX
    say(f"\nMemory of a flow, both directions: {used['flow_bytes_reported']} bytes reported, "
        f"{used['flow_bytes_measured']} measured (at most {FLOW_BYTES_MAX})")
    return {"workers": 1, "frame_bytes": 64, "burst": 32, "ring": 1024, "window": WINDOW,
            "seconds": args.seconds, "turns": args.turns, "cases": cases, "memory": used}


COLUMNS = "{:>8} {:>2} {:>7} {:>8}  {:<11} {:>7}  {:<33} {}"
HEAD = COLUMNS.format("flows", "IP", "box", "testpmd", "ratio", "loss",
                      "half load: p50, p99 (added)", "cycles a packet")


def row(case):
    late = case["latency_half_load"]
    met = "" if "met" not in case else "ok" if case["met"] else f"<{case['target']}"
    return COLUMNS.format(
        case["flows"], f"v{case['family']}", f"{case['pps'] / 1e6:.2f}M",
        f"{case['testpmd_pps'] / 1e6:.2f}M", f"{case['ratio']:.3f} {met}", f"{case['loss']:.1e}",
        f"{late['box']['p50_us']:.1f}, {late['box']['p99_us']:.1f} us "
        f"({late['added_p50_us']:+.1f}, {late['added_p99_us']:+.1f})",
        "  ".join(f"{stage} {spent:.0f}" for stage, spent in case["cycles_per_packet"].items()
                  if spent >= 0.5))
