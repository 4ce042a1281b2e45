"""Python's threading HTTP server. With "graceful" SIGTERM shuts it down; otherwise the signal has its default."""

import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/slow":
            time.sleep({{.SlowS}})
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 4096


host, port, mode = sys.argv[1:]
server = Server((host, int(port)), Handler)
if mode == "graceful":
    # shutdown waits for serve_forever, which the main thread is in.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
with server:
    server.serve_forever()
