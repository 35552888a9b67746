"""Servers on loopback for the tests of sharing: sshd, HTTP and HTTPS that can only be read, and an S3-compatible one.

What a server needs and this machine lacks fails the test with what to install: a remote that was not tried is not shown to work.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"this test needs {name}; install it (Debian: apt-get install {package})")
    return found


def answers(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something listens there."""
    for _ in range(300):
        assert process.poll() is None, "the server has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    pytest.fail(f"nothing listens at port {port}")


@contextlib.contextmanager
def running(*command: str, port: int, environment: dict[str, str] | None = None) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=os.environ | (environment or {}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        answers(port, process)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


@dataclass(frozen=True)
class Ssh:
    """An sshd with the key of somebody who writes and that of somebody who can only read."""

    port: int
    writer: Path
    reader: Path

    def address(self, folder: Path) -> str:
        return f"ssh://127.0.0.1:{self.port}{folder}"

    def ask(self, *command: str) -> list[str]:
        """Lines that a command prints there."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        asked = ["ssh", "-p", str(self.port), "-i", str(self.writer), *options, "127.0.0.1", shlex.join(command)]
        return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[Ssh]:
    sshd, keygen = _program("sshd", "openssh-server"), _program("ssh-keygen", "openssh-client")
    folder.mkdir(parents=True)
    for key in ("host", "writer", "reader"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    only_reads = 'restrict,command="internal-sftp -R" '
    keys = [(folder / "writer.pub").read_text(), only_reads + (folder / "reader.pub").read_text()]
    (folder / "authorized_keys").write_text("".join(keys))
    port = free_port()
    lines = [
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder / 'host'}", "PidFile none", "UsePAM no", "StrictModes no",
        "PasswordAuthentication no", f"AuthorizedKeysFile {folder / 'authorized_keys'}", "Subsystem sftp internal-sftp",
    ]  # fmt: skip
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd gives up its rights
    with running(sshd, "-D", "-e", "-f", str(folder / "sshd_config"), port=port):
        yield Ssh(port, folder / "writer", folder / "reader")


class OnlyReads(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, and nothing else: whoever writes is told that it is not allowed, as nginx and Apache do."""

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:  # noqa: N802
        self.send_error(405)

    do_PUT = do_DELETE = do_POST  # noqa: N815


@contextlib.contextmanager
def http_server(
    folder: Path, certificate: tuple[Path, Path] | None = None, handler: type[OnlyReads] = OnlyReads
) -> Iterator[str]:
    """The address under which a folder is read; https where a certificate and its key are given."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=20)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of localhost, signed by itself, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    made, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [_program("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key


@dataclass(frozen=True)
class S3:
    """An S3-compatible server with a bucket, and the access keys of somebody who writes and of somebody who can only read."""

    address: str
    bucket: str
    writer: tuple[str, str]
    reader: tuple[str, str]

    def held(self) -> list[str]:
        """The names of all objects of the bucket."""
        import boto3

        key, secret = self.writer
        client = boto3.client(
            "s3", endpoint_url=self.address, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
        )
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]


READS = ["s3:Get*", "s3:List*", "s3:Head*"]
SET_UP = 7  # requests that come before anybody has a key


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """moto's server, which checks signatures and policies once everybody has a key."""
    try:
        import boto3
        import moto.server  # noqa: F401
    except ImportError as problem:
        pytest.fail(f"this test needs {problem.name}; install the group with: uv sync --group sharing")
    import json

    port, bucket = free_port(), "lab"
    address = f"http://127.0.0.1:{port}"
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    with running(*command, port=port, environment={"INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP)}):
        named = {"endpoint_url": address, "region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        boto3.client("s3", **named).create_bucket(Bucket=bucket)
        iam, keys = boto3.client("iam", **named), {}
        for user, actions in (("writer", ["s3:*"]), ("reader", READS)):
            iam.create_user(UserName=user)
            statement = [{"Effect": "Allow", "Action": actions, "Resource": "*"}]
            policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
            iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=policy)
            made = iam.create_access_key(UserName=user)["AccessKey"]
            keys[user] = (made["AccessKeyId"], made["SecretAccessKey"])
        yield S3(address, bucket, keys["writer"], keys["reader"])


TRUSTED: str | None = None  # a certificate that `read` trusts besides those that everybody does


def read(address: str) -> bytes:
    trusted = ssl.create_default_context(cafile=TRUSTED) if address.startswith("https") else None
    with urllib.request.urlopen(address, timeout=20, context=trusted) as answer:
        return bytes(answer.read())
