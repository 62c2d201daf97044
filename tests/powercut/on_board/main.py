"""Run a part of the sweep and print the result as one line of JSON.

    micropython main.py '{"device": DIR, "scenario": NAME, "shard": [0, 2], "every": 1,
                          "second": 0, "follow": 4}'
"""

import json
import sys


def main(job):
    sys.path[:0] = [job["device"], job["here"]]
    import scenarios
    import sweep

    number, shards = job.get("shard", (0, 1))
    every = job.get("every", 1)
    second = job.get("second", 0)
    result = sweep.run(
        scenarios.make(job["scenario"]),
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
                "counts": result.counts,
                "problems": result.problems,
            }
        )
    )


main(json.loads(sys.argv[1]))
