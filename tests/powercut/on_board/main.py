"""Run a part of the sweep on MicroPython and print the result as one line of JSON.

Standard input is a job as bench/powercut.py makes it: the folders "here", "device" and "guards",
the "scenario", and how densely to cut: "every", "shard", "second", "follow".
"""

import json
import sys


def main(job):
    sys.path[:0] = [job["device"], job["here"]]
    import scenarios
    import sweep

    scenarios.guards = job["guards"]
    scenario = scenarios.make(job["scenario"])
    if "replay" in job:
        print(json.dumps(sweep.replayed(scenario, job["replay"])))
        return
    if "cut" in job:
        print(json.dumps(sweep.cut_for_real(scenario, *job["cut"])))
        return
    number, shards = job.get("shard", (0, 1))
    every = job.get("every", 1)
    second = job.get("second", 0)
    result = sweep.run(
        scenario,
        lambda index: index // every % shards == number and index % every == 0,
        (lambda first, at: (first + at) % second == 0) if second else None,
        job.get("follow", 4),
    )
    print(
        json.dumps(
            {
                "scenario": job["scenario"],
                "cuts": result.cuts,
                "second": result.second,
                "restarts": result.restarts,
                "counts": result.counts,
                "problems": result.problems,
            }
        )
    )


main(json.loads(sys.stdin.read()))
