"""Runs the peer's harness on both servers and prints what came out; see `peer`."""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import threading

RUN = pathlib.Path(os.environ.get("RUN", "/tmp/peer-run"))
PORT, REDIS = 15544, "redis://127.0.0.1:16399"
ASSETS = 100_000
PARTS = ["reads", "mixed", "jobs", "replica"]


def main():
    parser = argparse.ArgumentParser(prog="peer")
    parser.add_argument("peer", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.peer, args.bin = args.peer.resolve(), args.bin.resolve()
    if not (args.peer / "node_modules").is_dir():
        parser.error(f"run npm install in {args.peer} first")
    run = Run(args)
    run.prepare()
    try:
        for part in args.only.split(","):
            getattr(run, part)()
    finally:
        print("\n".join(["", *run.lines]), flush=True)


class Run:
    def __init__(self, args):
        self.peer, self.bin, self.rounds = args.peer, args.bin, args.rounds
        self.lines = []

    # What is measured.

    def reads(self):
        """GET and list: the computing time of the server for a request, as a part of the peer's."""
        peer, again = self.of_peer("peer"), self.of_peer("peer-again")
        noise = self.harness(peer, again, "get,list")
        ours = self.harness(peer, self.target("one", 4200), "get1,get,list")
        for test in ["get1", "get", "list"]:
            self.tell(f"{test}: server CPU / peer's", ours[test], "srv_cpu_us", "at most 0.25")
            self.tell(f"{test}: database CPU / peer's", ours[test], "db_cpu_us")
            if test in noise:
                self.tell(f"{test}: peer's server CPU / its own", noise[test], "srv_cpu_us", "noise")

    def mixed(self):
        """A thousand connections, beside two processes of the peer."""
        with Memory(self.bin / "medianest") as memory:
            found = self.harness(self.of_peer("peer-cluster2"), self.target("one", 4200), "mixed")["mixed"]
        self.tell("mixed, 1000 connections: requests/s / peer's cluster", found, "rps", "at least 2.5")
        self.tell("mixed: p95 / peer's cluster", found, "p95_ms")
        self.lines.append(f"mixed: errors {sum(found['errors']['B']):.0f}, of the peer {sum(found['errors']['A']):.0f}")
        self.lines.append(f"mixed: memory of the server at most {memory.peak / 1024:.0f} MiB (under 200)")

    def replica(self):
        """A second process behind the same address: the computing time for a request stays."""
        one = self.target("one", 4200)
        noise = self.harness(one, self.target("again", 4201), "get,list")
        two = self.harness(one, self.target("two", 4202, processes=2), "get,list")
        for test in ["get", "list"]:
            self.tell(f"{test}: server CPU, one process / one process", noise[test], "srv_cpu_us", "noise")
            self.tell(f"{test}: server CPU, two processes / one process", two[test], "srv_cpu_us", "within the noise")

    def jobs(self):
        """Jobs that do nothing, beside BullMQ."""
        rounds = []
        for _ in range(self.rounds):
            bull = self.output(["node", "server/bench-queue.js", "20000", "50", "100", "1"], self.peer)
            database = self.fresh("medianest_jobs")
            ours = self.output([self.bin / "medianest-jobs", "--database-url", database, "--redis-url", REDIS])
            print(bull, ours, flush=True)
            least = 1 / (1 / bull["process_per_s"] + 1 / ours["updated_per_s"])
            rounds.append({**bull, **ours, "least": least})
        for name, mine, theirs, wanted in [
            ("jobs dispatched by Redis / BullMQ's enqueue", "dispatched_per_s", "enqueue_per_s", "at least 2"),
            ("jobs dispatched by Redis / BullMQ's drain", "dispatched_per_s", "process_per_s", "at least 2"),
            ("durable jobs / BullMQ's drain less an UPDATE each", "done_per_s", "least", "at least 1"),
        ]:
            found = {mine: {"A": [r[theirs] for r in rounds], "B": [r[mine] for r in rounds]}}
            self.tell(name, found, mine, wanted)

    # How.

    def prepare(self):
        subprocess.run([self.peer / "scripts/stack.sh", "up"], check=True)
        if "medianest_100k" not in self.databases():
            subprocess.run(
                ["node", "server/seed.js", "--rows", str(ASSETS), "--db", "medianest_100k"], cwd=self.peer, check=True
            )
        photo = RUN / "photos/p12_0.jpg"
        if not photo.exists():
            photo.parent.mkdir(exist_ok=True)
            picture = "testsrc2=size=4000x3000,noise=alls=8"
            command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, "-frames:v", "1", "-q:v", "2", photo]
            subprocess.run(command, check=True)
        self.ours = RUN / "ours"
        if "medianest_ours" not in self.databases() or not (self.ours / "target.json").exists():
            url = self.fresh("medianest_ours")
            seed = [self.bin / "medianest-seed", "--assets", str(ASSETS), "--out", self.ours]
            self.psql("ALTER DATABASE medianest_ours SET synchronous_commit = off")
            subprocess.run([*seed, "--database-url", url], check=True)
            self.psql("ALTER DATABASE medianest_ours RESET synchronous_commit")
            self.psql("VACUUM ANALYZE", "medianest_ours")

    def of_peer(self, name):
        return self.peer / f"targets/{name}.json"

    def target(self, name, port, processes=1):
        """Our server, on its own or several times, and a worker beside it, as the peer has it."""
        target = json.loads((self.ours / "target.json").read_text())
        address, program = f"127.0.0.1:{port}", str(self.bin / "medianest")
        target.update(name=f"medianest-{name}", base=f"http://{address}")
        target["env"].update(
            MEDIANEST_LISTEN=address, MEDIANEST_REDIS__URL=REDIS, MEDIANEST_WORKERS__JOBS="0",
            MEDIANEST_HTTP__REUSE_PORT=str(processes > 1).lower(),
            # One user on one machine is no crowd.
            MEDIANEST_RATES__USER_PER_SECOND="0", MEDIANEST_RATES__ADDRESS_PER_SECOND="0",
        )
        serve = [program, "serve"]
        if processes > 1:
            beside = f"trap 'kill $(jobs -p)' TERM; for n in $(seq {processes}); do \"$@\" & done; wait; wait"
            serve = ["bash", "-c", beside, "bash", *serve]
        target["server"]["cmd"] = serve
        worker = {"MEDIANEST_WORKERS__JOBS": "1"}
        target["worker"] = {"cmd": [program, "worker"], "env": worker, "settle_ms": 2500}
        path = RUN / f"target-{name}.json"
        path.write_text(json.dumps(target))
        return path

    def harness(self, a, b, tests):
        """The figures of paired rounds: by test, then by measure, those of A and of B."""
        out = RUN / "out.json"
        command = ["node", "harness/bench.mjs", "--a", a, "--b", b, "--tests", tests, "--rounds", str(self.rounds)]
        subprocess.run([*command, "--out", out], cwd=self.peer, check=True)
        return json.loads(out.read_text())["res"]

    def tell(self, what, found, measure, wanted=""):
        a, b = found[measure]["A"], found[measure]["B"]
        ratios = [y / x for x, y in zip(a, b) if x]
        if not ratios:
            return
        middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
        wanted = f"({wanted})" if wanted else ""
        figures = f"{statistics.median(a):.0f} and {statistics.median(b):.0f}"
        foreign = found.get("foreign_cpu", {"A": [0], "B": [0]})
        others = max(*foreign["A"], *foreign["B"])
        self.lines.append(
            f"{what:58} {middle:6.2f} [{least:.2f}..{most:.2f}] {wanted:20} medians {figures}; others took {others:.0%}"
        )

    def output(self, command, cwd=None):
        done = subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout.strip().splitlines()[-1])

    def fresh(self, database):
        self.psql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self.psql(f"CREATE DATABASE {database}")
        return f"postgres://medianest@127.0.0.1:{PORT}/{database}"

    def databases(self):
        return self.psql("SELECT datname FROM pg_database").split()

    def psql(self, statement, database="postgres"):
        url = f"postgres://medianest@127.0.0.1:{PORT}/{database}"
        return subprocess.run(
            ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement, url],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout


class Memory(contextlib.AbstractContextManager):
    """The memory of all processes that serve, in KiB: its peak meanwhile."""

    def __init__(self, program):
        self.program, self.peak, self.done = program.resolve(), 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def watch(self):
        while not self.done.wait(0.2):
            self.peak = max(self.peak, sum(map(self.of, pathlib.Path("/proc").glob("[0-9]*"))))

    def of(self, process):
        with contextlib.suppress(OSError):
            if (process / "exe").resolve() == self.program and b"\0serve" in (process / "cmdline").read_bytes():
                for line in (process / "status").read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        return int(line.split()[1])
        return 0


if __name__ == "__main__":
    main()
