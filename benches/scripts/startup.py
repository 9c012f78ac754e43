"""Start-up and idle memory of the server whose program is the first argument."""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time


# By then the allocator has given back what starting took.
IDLE_SECONDS = 15


def kib(pid, field):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(data, number):
    port = free_port()
    environment = {**os.environ, "XDG_DATA_HOME": data, "MEDIANEST_LOG__FILTER": "warn"}
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.argv[1], "serve", "--listen", f"127.0.0.1:{port}"], env=environment, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass
            if server.poll() is not None:
                sys.exit("the server ended by itself")
            time.sleep(0.001)
        ready = (time.perf_counter() - began) * 1000
        time.sleep(IDLE_SECONDS)
        rss, pss = kib(server.pid, "Rss:") / 1024, kib(server.pid, "Pss:") / 1024
        print(f"start {number}: ready after {ready:.0f} ms; RSS {rss:.1f} MiB, PSS {pss:.1f} MiB", flush=True)
        return ready, rss
    finally:
        server.terminate()
        server.wait()


with tempfile.TemporaryDirectory() as data:
    # The first start makes the database and the first administrator.
    start(data, 0)
    starts = [start(data, number) for number in range(1, 10)]
    print(f"median: ready after {statistics.median(s[0] for s in starts):.0f} ms, "
          f"RSS {statistics.median(s[1] for s in starts):.1f} MiB")
