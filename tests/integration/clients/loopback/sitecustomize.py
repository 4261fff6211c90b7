"""Refuses every connection to another machine, in each Python program that has this folder in PYTHONPATH.

Writes the refused addresses to the file that the environment variable FOREIGN names.
"""
import os
import sys


def refuse_others(event, arguments):
    if event not in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        return
    address = arguments[0] if event == "socket.getaddrinfo" else arguments[-1]
    host = address[0] if isinstance(address, tuple) else address
    if host in ("127.0.0.1", b"127.0.0.1", "::1", "localhost", None):
        return
    with open(os.environ["FOREIGN"], "a") as file:
        file.write(f"{address}\n")
    raise ConnectionRefusedError(f"{address} is not this machine")


sys.addaudithook(refuse_others)
