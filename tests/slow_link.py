#!/usr/bin/python3
"""A slow wire: slow_link.py PORT DELAY_S BYTES_PER_S SEED. Takes connections on a free port of the loopback, which it prints, and carries
them to PORT: each byte later by DELAY_S, no more than BYTES_PER_S of them, in pieces of any size, and standing still now and then.
It holds little, so the sender's own buffers fill. slow_link.Link runs it as a process of its own."""

import asyncio
import os
import random
import signal
import subprocess
import sys

HELD_BYTES = 128 * 1024


class Link:
    """`to` is a port; connect to .port instead. cut() ends what goes over it; it stays open to new connections."""

    def __init__(self, to, delay_s=0.05, bytes_per_s=1 << 20, seed=1):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), str(to), str(delay_s), str(bytes_per_s), str(seed)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def cut(self):
        self.process.send_signal(signal.SIGUSR1)

    def fast(self):
        """From now on it is a quick wire."""
        self.process.send_signal(signal.SIGUSR2)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Wire:
    def __init__(self, to, delay_s, bytes_per_s, seed):
        self.to, self.delay_s, self.bytes_per_s = to, delay_s, bytes_per_s
        self.rng = random.Random(seed)
        self.writers = set()

    def fast(self):
        self.delay_s, self.bytes_per_s = 0, 1 << 30

    def cut(self):
        for w in list(self.writers):
            w.transport.abort()

    async def carry(self, reader, writer):
        loop = asyncio.get_running_loop()
        queue, space, held = asyncio.Queue(), asyncio.Event(), 0

        async def send():
            nonlocal held
            while True:
                due, data = await queue.get()
                if data is None:
                    return
                await asyncio.sleep(max(0, due - loop.time(), len(data) / self.bytes_per_s))
                if self.bytes_per_s < 1 << 29 and self.rng.random() < 0.002:
                    await asyncio.sleep(self.rng.random())
                writer.write(data)
                await writer.drain()
                held -= len(data)
                space.set()

        sender = asyncio.create_task(send())
        try:
            while not sender.done():
                data = await reader.read(self.rng.choice((1, 7, 100, 1500, 16384, 65536)))
                if not data:
                    break
                held += len(data)
                queue.put_nowait((loop.time() + self.delay_s, data))
                while held > HELD_BYTES and not sender.done():
                    space.clear()
                    await asyncio.wait([asyncio.ensure_future(space.wait()), sender], return_when=asyncio.FIRST_COMPLETED)
            queue.put_nowait((0, None))
            await sender
        except OSError:
            pass
        finally:
            sender.cancel()
            writer.close()

    async def connection(self, reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.close()
            return
        both = {writer, back}
        self.writers |= both
        await asyncio.gather(self.carry(reader, back), self.carry(there, writer), return_exceptions=True)
        self.writers -= both


async def main(wire):
    server = await asyncio.start_server(wire.connection, "127.0.0.1", 0, limit=HELD_BYTES)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, wire.cut)
    loop.add_signal_handler(signal.SIGUSR2, wire.fast)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Wire(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))))
