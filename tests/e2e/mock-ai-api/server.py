"""mock-ai-api (PyPI) on ports the system chooses: its own command wants fixed ones. Prints {"openai", "anthropic"} and ends when its
standard input ends, so it never outlives the suite that started it."""

import json
import os
import socket
import sys
import threading

import uvicorn
from app.anthropic_app import app as anthropic
from app.openai_app import app as openai


def serve(app):
    """Its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


print(json.dumps({"openai": serve(openai), "anthropic": serve(anthropic)}), flush=True)
sys.stdin.read()
os._exit(0)
