"""The baseline of the wall's fan-out: nothing but a broadcast.

``python -m bench.wall_raw PORT MESSAGES BYTES EVERY_S`` prints ``ready``, waits for a line on stdin, broadcasts,
and prints when it sent each message (JSON, Unix seconds).
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(port: int, messages: int, size: int, every_s: float) -> None:
    """Serve until all is sent and stdin says so."""
    loop, sent = asyncio.get_running_loop(), list[float]()
    text = "x" * size

    async def stay(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(stay, "127.0.0.1", port, compression=None) as server:
        print("ready", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
        for _ in range(messages):
            sent.append(time.time())
            broadcast(server.connections, text)
            await asyncio.sleep(max(0.0, every_s - (time.time() - sent[-1])))
        print(msgspec.json.encode(sent).decode(), flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
