"""Two real S3 servers on the loopback, each a process that keeps all its data in one folder and can be killed and started again.

- nanio: small; a bucket is a folder, an object is a file.
- swift: OpenStack Swift with its S3 interface; account, container, object and proxy server in one process.

Both check signatures and know one key. `python tests/s3_servers.py FOLDER PORT` is the process of swift.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from botocore.client import BaseClient
from botocore.session import Session

KEY = "test:tester"  # tempauth of swift wants account:user
SECRET = "testing-secret"
REGION = "us-east-1"
PATIENCE = 60  # seconds that a server has to come up


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on; bound at once, so that no two are the same."""
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


def bytes_in(folder: Path) -> int:
    """Bytes of all files in the folder and below, while others write there."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                pass  # renamed or removed since the listing
    return total


class S3Server:
    """A server whose data survive `kill`; `start` brings it back at the same URL."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Return when it answers. Its log goes to `<folder>.log`."""
        commands = {
            "nanio": ["-m", "nanio", "serve", "--data-dir", self.folder, "--host", "127.0.0.1", "--port", str(self.port)],
            "swift": [Path(__file__), self.folder, str(self.port)],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        keys = {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET}
        log = self.folder.with_suffix(".log")
        with log.open("a") as lines:
            command = [sys.executable, *commands[self.kind]]
            self.process = subprocess.Popen(command, env=os.environ | keys, stdout=lines, stderr=lines)
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"{self.kind} did not start:\n{log.read_text()}")

    def kill(self) -> None:
        """End it as a power cut would: kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def client(self) -> BaseClient:
        return Session().create_client(
            "s3", endpoint_url=self.url, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET
        )

    def bytes_held(self) -> int:
        """Bytes of all that it keeps, parts of unfinished uploads included."""
        return bytes_in(self.folder)


# --- the process of swift ---


def serve_swift(folder: Path, port: int) -> None:
    """Run one copy of each of Swift's servers on one disk, `folder`/disk, and the proxy with S3 on `port`. Does not return."""
    import eventlet

    eventlet.monkey_patch()
    from swift.common import utils

    # Read when other parts of Swift are imported, and /etc/swift otherwise.
    utils.SWIFT_CONF_FILE = str(folder / "swift.conf")
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = fixed, so that a restart finds the data\n")
    (folder / "disk").mkdir(exist_ok=True)

    from swift.account.server import AccountController
    from swift.common.middleware.copy import filter_factory as copy
    from swift.common.middleware.listing_formats import filter_factory as listing_formats
    from swift.common.middleware.s3api.s3api import filter_factory as s3api
    from swift.common.middleware.slo import filter_factory as large_objects
    from swift.common.middleware.tempauth import filter_factory as tempauth
    from swift.container.server import ContainerController
    from swift.obj.server import ObjectController
    from swift.proxy.server import Application

    settings = {"devices": str(folder), "mount_check": "false", "swift_dir": str(folder), "node_timeout": "60"}
    backends = {"account": AccountController, "container": ContainerController, "object": ObjectController}
    for (name, controller), backend_port in zip(backends.items(), free_ports(3), strict=True):
        write_ring(folder / f"{name}.ring.gz", backend_port)
        eventlet.spawn(serve_application, controller(settings), backend_port)

    keys = settings | {"user_test_tester": f"{SECRET} .admin"}
    application = Application(settings | {"account_autocreate": "true"})
    for layer in (large_objects, copy, tempauth, s3api, listing_formats):
        application = layer(keys)(application)
    serve_application(application, port)


def write_ring(path: Path, port: int) -> None:
    """The map of which server holds what: all on the one at `port`."""
    from swift.common.ring import RingBuilder

    builder = RingBuilder(2, 1, 0)  # 2^2 parts, one copy each, no hours between moves
    builder.add_dev({"region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "port": port, "device": "disk"})
    builder.rebalance()
    builder.get_ring().save(str(path))


def serve_application(application: Callable, port: int) -> None:
    """Serve a WSGI application at a port of the loopback. Does not return."""
    import eventlet.wsgi
    from swift.common.wsgi import SwiftHttpProtocol

    eventlet.wsgi.server(eventlet.listen(("127.0.0.1", port)), application, protocol=SwiftHttpProtocol, log_output=False)


if __name__ == "__main__":
    serve_swift(Path(sys.argv[1]), int(sys.argv[2]))
