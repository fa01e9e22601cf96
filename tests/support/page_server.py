"""The servers of the page's tests, in one process: an open one, and one with a key that learns its source.

They end with SIGTERM.  Run as ``python page_server.py PORT PORT_WITH_KEY KEY``.
"""

import sys
import threading

from emotone.recognition.recognizer import Recognizer
from emotone.serve import ServeSettings
from emotone.serve.page import mount
from emotone.serve.server import make_server


def main() -> None:
    open_port, keyed_port, key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    recognizer = Recognizer()
    mount.SWEPT_EVERY_S = 1
    first = make_server(
        recognizer, port=open_port, settings=ServeSettings(max_upload_bytes=2_000_000, drain_s=0.0), page=True
    )
    second = make_server(
        recognizer,
        port=keyed_port,
        settings=ServeSettings(key=key, workers=1, queue=0, max_streams=1, learn_source=True),
        page=True,
    )
    thread = threading.Thread(target=second.run, daemon=True)
    thread.start()
    first.run()
    second.should_exit = True
    thread.join(10)


if __name__ == "__main__":
    main()
