"""While libraries load, Python's garbage collector rests, and afterwards it works as ever; the hub is told of no training."""

import gc
import os
import subprocess
import sys
import weakref
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from src.models.loading import loading

# As TRL does when a trainer is built: the report is sent by a thread, which has the time to.
REPORT = """
from contextlib import nullcontext
from src.models.loading import loading
with {context}():
    from huggingface_hub.utils import _telemetry
_telemetry.send_telemetry("trl/DPOTrainer", library_name="trl")
_telemetry._TELEMETRY_QUEUE.join()
"""


class Knot:
    """An object that only the garbage collector can free."""

    def __init__(self) -> None:
        self.self = self


def test_the_collector_rests_within_and_works_afterwards():
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    later = weakref.ref(Knot())
    gc.collect()
    assert later() is None


def test_what_was_loaded_is_not_looked_at_again():
    with loading():
        loaded = [[] for _ in range(1000)]
    assert gc.get_freeze_count() >= len(loaded)


def test_it_works_again_after_an_import_that_fails():
    with pytest.raises(ImportError), loading():
        import no_such_module  # noqa: F401
    assert gc.isenabled()


@pytest.mark.parametrize(("context", "reports"), [("nullcontext", 1), ("loading", 0)])
def test_the_hub_is_told_of_no_training(context, reports):
    told = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            told.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    hub = HTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=hub.serve_forever, daemon=True).start()
    silent = {"HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK"}
    environment = {name: value for name, value in os.environ.items() if name not in silent}
    environment["HF_ENDPOINT"] = f"http://127.0.0.1:{hub.server_port}"
    subprocess.run([sys.executable, "-c", REPORT.format(context=context)], env=environment, check=True)
    hub.shutdown()
    assert told == ["/api/telemetry/trl/DPOTrainer"] * reports
