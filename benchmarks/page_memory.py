"""Memory of the page over many calls: `python benchmarks/page_memory.py [--calls 5000] [--model BUNDLE]`.

Each call is what a new visitor of the page does: open it, send a recording, and read the answer.  `emotone serve` runs
in a separate process.  After a warm-up of 200 calls, memory is read ten times.  The exit status is 1 if the last
reading is more than 10 MiB, or 3 %, above the median of the first three.
"""

import argparse
import statistics

import httpx
import load_client
import load_sounds

#: Calls before memory is read: the page's sessions are full by then.
_WARM_UP = 200
_READINGS = 10
#: Growth that is taken for none, MiB and share.
FLAT_MIB, FLAT_SHARE = 10.0, 0.03


def measure(*, calls: int, model: str) -> list[float]:
    """Return the memory of the service after each tenth of the calls, MiB."""
    data, mib = load_sounds.voice(kind="WAV"), []
    with (
        load_client.Service(load_client.command(workers=2, page=True, model=model), settle_s=600.0) as service,
        httpx.Client(base_url=f"http://127.0.0.1:{service.port}", trust_env=False, timeout=120) as client,
    ):
        for _ in range(_WARM_UP):
            call(client, data)
        for reading in range(_READINGS):
            for _ in range(calls // _READINGS):
                call(client, data)
            mib.append(service.rss_mib())
            print(f"{(reading + 1) * (calls // _READINGS)} calls: {mib[-1]:.1f} MiB", flush=True)
    return mib


def call(client: httpx.Client, data: bytes) -> None:
    """Open the page and predict a recording, as a new visitor does."""
    client.cookies.clear()
    client.get("/").raise_for_status()
    answer = client.post("/page/answers/recognise", files={"file": ("a.wav", data)}).raise_for_status()
    if "em-result" not in answer.text:
        raise SystemExit(f"a call failed: {answer.text[:500]}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--model", default="default", help="a bundle's folder, or 'default'")
    options = parser.parse_args()
    mib = measure(calls=options.calls, model=options.model)
    before = statistics.median(mib[:3])
    print(f"{1024 * (mib[-1] - mib[0]) / (0.9 * options.calls):+.2f} KiB a call")
    if mib[-1] - before > max(FLAT_MIB, FLAT_SHARE * before):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
