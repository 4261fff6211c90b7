#!/usr/bin/env python3
"""Load, faults and hostile clients at the HTTP door of a gateway. All services are processes.

    http_load.py BIN_DIR MODEL [--full] [--rounds N | --minutes M] [--seed S] [--growth_mib M] [--keep FOLDER]

Every output must equal the output of the same request alone, not streamed and without drafting. Each round runs every
part. The first round warms up; after it, the memory of the gateway must stay flat. The program prints one line of
figures for each part, and every violation. It exits with 1 if there was one.

Without --full the counts are smaller, and no part waits for the timeouts of the server.
"""

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import random
import resource
import signal
import sys
import tempfile
import time

from http_fleet import MOST_CONNECTIONS, Connection, Cut, Fleet, Wrong, until

MOST_BODY = 8 << 20
ALL_BODIES = 256 << 20
SLOW_MIB = 288   # with --growth_mib more than this, slow readers may not make the gateway hold
SPARE_DESCRIPTORS = 8
POOL_THREADS = 32  # gRPC keeps threads that it started under load
PART_SECONDS = 900  # longer, and something hangs
WORDS = "once upon a time there was little girl dog who liked to play in the big park with her mom and friend".split()


@dataclasses.dataclass
class Counts:
    streams: int = 64        # clients at once
    stream_rounds: int = 3
    slow: int = 1000
    slow_long: int = 64      # of these, with a long answer
    slow_tokens: int = 800   # of a long answer
    half: int = 2000
    large: int = 100
    kills: int = 6           # of a verifier
    leavers: int = 500
    timeouts: bool = True    # wait for those of the server


SHORT = Counts(streams=32, stream_rounds=1, slow=60, slow_long=4, slow_tokens=300, half=1100, large=12, kills=1,
               leavers=60, timeouts=False)


def random_request(draw, tokens):
    body = {"messages": [{"role": "user", "content": " ".join(draw.choices(WORDS, k=draw.randint(1, 30)))}],
            "temperature": 0.8, "seed": draw.getrandbits(60), "max_tokens": draw.randint(tokens // 2, tokens),
            "ignore_eos": draw.random() < 0.8}
    if draw.random() < 0.5:
        body |= {"logprobs": True, "top_logprobs": draw.randint(0, 3)}
    if draw.random() < 0.3:
        body |= {"top_p": 0.9, "repeat_penalty": 1.1}
    return body


class Load:
    def __init__(self, fleet, counts, seed, growth_mib):
        self.fleet, self.counts, self.draw, self.growth_mib = fleet, counts, random.Random(seed), growth_mib
        self.violations = 0

    def violation(self, text):
        self.violations += 1
        print(f"VIOLATION: {text}", flush=True)

    def expect(self, condition, text):
        if not condition:
            self.violation(text)

    # ---- Good clients

    async def reference(self, body):
        body = body | {"speculation": {"mode": "off"}}
        async with await Connection.open(self.fleet.port) as connection:
            await connection.send(self.fleet.request(body))
            return (await connection.answer()).output()

    async def prepare(self):
        """Makes the requests of the good clients, and their references, one at a time."""
        bodies = [random_request(self.draw, 32) for _ in range(self.counts.streams)]
        self.requests = [(body, await self.reference(body)) for body in bodies]
        bodies = [random_request(self.draw, 96) | {"ignore_eos": True} for _ in range(16)]
        self.long_requests = [(body, await self.reference(body)) for body in bodies]

    def streaming(self, body):
        return body | {"stream": True, "stream_options": {"include_usage": True},
                       "speculation": {"mode": self.draw.choice(["auto", "fixed", "full"]), "nodes": 8}}

    async def ask(self, request, figures, on_event=lambda: None):
        """Streams a request until it is served, and compares the output with its reference."""
        data = self.fleet.request(self.streaming(request[0]))
        while True:
            async with await Connection.open(self.fleet.port) as connection:
                await connection.send(data)
                answer = await connection.answer(on_event)
            if not answer.refused():
                break
            figures["refused"] += 1
            await asyncio.sleep(int(answer.headers["retry-after"]))
        self.compare_output(answer, request, figures)

    def compare_output(self, answer, request, figures):
        right = answer.output() == request[1]
        figures["right"] += right
        self.expect(right, f"an output differs from its reference: {request[0]}")

    async def good_clients(self, figures, going):
        """Four clients that ask until `going` is done."""
        async def client(index):
            while True:
                await self.ask(self.requests[index % len(self.requests)], figures)
                index += 4
                if going.done():
                    return
        await asyncio.gather(*(client(i) for i in range(4)))

    # ---- The parts

    async def streams(self, figures):
        """Many streams at once."""
        for _ in range(self.counts.stream_rounds):
            await asyncio.gather(*(self.ask(request, figures) for request in self.requests))

    async def slow_readers(self, figures):
        """Clients that read nothing, or one byte a second, until the server has no unread output. Then they read."""
        before = self.fleet.gateway.facts().resident_mib
        over = asyncio.get_running_loop().create_future()

        async def slow(index):
            body = random_request(self.draw, 32)
            if index % (self.counts.slow // self.counts.slow_long) == 0:
                body |= {"max_tokens": self.counts.slow_tokens, "ignore_eos": True}
                body |= {"logprobs": True, "top_logprobs": 20}
            async with await Connection.open(self.fleet.port, slow=True) as connection:
                await connection.send(self.fleet.request(self.streaming(body), "bad"))
                try:
                    while index % 2 and not over.done():
                        await connection.receive(1)
                        await asyncio.wait([over], timeout=1)
                    await over
                    answer = await connection.answer()
                except Cut:
                    return "dropped"
                if answer.refused():
                    return "refused"
                answer.output()  # raises if it is not right
                return "served"

        async def watch():
            await until(lambda: figures["right"] > 0)
            metric = lambda name: self.fleet.gateway.metric(f"recycling_{name}")
            while True:
                busy = await metric("num_requests_running") + await metric("num_requests_waiting")
                unread = await metric("unread_bytes")
                figures["unread KiB"] = max(figures["unread KiB"], int(unread / 1024))
                if busy <= 1 and not (unread and self.counts.timeouts):  # the one is a good client's
                    return over.set_result(None)
                await asyncio.sleep(0.02)

        dropped = -await self.fleet.gateway.metric('recycling_request_refused_total{reason="slow_reader"}')
        clients = [asyncio.create_task(slow(i)) for i in range(self.counts.slow)]
        good = asyncio.create_task(self.one_by_one(figures, over))
        await watch()
        figures.update(collections.Counter(await asyncio.gather(*clients)))
        await good
        dropped += await self.fleet.gateway.metric('recycling_request_refused_total{reason="slow_reader"}')
        self.expect(dropped == figures["dropped"], f"the gateway dropped {dropped}, clients saw {figures['dropped']}")
        self.expect(figures["served"] > 0, "no slow reader was served")
        peak = self.fleet.gateway.facts().peak_mib - before
        self.expect(peak <= SLOW_MIB + self.growth_mib, f"slow readers made the gateway hold {peak:.0f} MiB more")

    async def one_by_one(self, figures, going):
        index = 0
        while not going.done():
            await self.ask(self.requests[index % len(self.requests)], figures)
            index += 1
            await asyncio.wait([going], timeout=0.1)

    async def half_sent(self, figures):
        """Clients that do not finish their requests, more than the server takes."""
        head = self.fleet.head("bad", "/v1/completions", "Content-Length: 1000\r\n")
        chunked = self.fleet.head("bad", "/v1/completions", "Transfer-Encoding: chunked\r\n")
        beginnings = [head[:-10], head, head + b'{"prompt": "', chunked + b"5\r\n{\"pro", b"", head]
        base = self.fleet.gateway.facts().descriptors
        friend = await Connection.open(self.fleet.port)  # a good client that was there before
        await self.ping(friend)
        attackers = []

        async def attack(index):
            connection = await Connection.open(self.fleet.port)
            attackers.append(connection)
            with contextlib.suppress(ConnectionError):
                await connection.send(beginnings[index % 6])
                while index % 6 == 5:  # one byte a second
                    await asyncio.sleep(1)
                    await connection.send(b" ")

        async def ended(connection):
            begin = time.monotonic()
            got = await connection.closed()
            self.expect(not got, f"a half-sent request got {got!r}")
            figures["closed at once" if time.monotonic() - begin < 10 else "closed later"] += 1

        slow = [asyncio.create_task(attack(i)) for i in range(self.counts.half)]
        await until(lambda: len(attackers) == self.counts.half)
        ends = [asyncio.create_task(ended(connection)) for connection in attackers]
        refused = self.counts.half - MOST_CONNECTIONS + 1
        await until(lambda: sum(end.done() for end in ends) >= refused)
        most = self.fleet.gateway.facts().descriptors - base
        figures["most held"] = most
        self.expect(most <= MOST_CONNECTIONS + SPARE_DESCRIPTORS, f"{most} connections are held")
        await self.ping(friend)
        if not self.counts.timeouts:
            for task in ends + slow:
                task.cancel()
            await asyncio.gather(*ends, *slow, return_exceptions=True)
            for connection in attackers:
                connection.close()
        figures["seconds locked out"] = await self.seconds_locked_out()
        await self.ask(self.requests[0], figures)
        friend.close()
        if self.counts.timeouts:
            await asyncio.gather(*ends)
            await asyncio.gather(*slow)
            for connection in attackers:
                connection.close()
        await until(lambda: self.fleet.gateway.facts().descriptors <= base + SPARE_DESCRIPTORS)

    async def ping(self, connection):
        await connection.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.expect((await connection.answer()).status == 200, "the gateway is not healthy")

    async def seconds_locked_out(self):
        """How long a new client that tries again and again gets no answer."""
        begin = time.monotonic()
        while True:
            with contextlib.suppress(OSError, Cut):
                async with await Connection.open(self.fleet.port) as connection:
                    await self.ping(connection)
                    return round(time.monotonic() - begin, 1)
            await asyncio.sleep(0.1)

    async def large(self, figures):
        """Headers and bodies over the limits. The answer must come before the request has been sent."""
        async def flood(connection, head, piece, sent):
            with contextlib.suppress(ConnectionError):
                await connection.send(head)
                while piece:
                    await connection.send(piece)
                    sent[0] += len(piece)
                    await asyncio.sleep(0)  # the answer may have come

        async def client(index):
            head, piece, expected, most = [
                (self.fleet.head("bad", "/v1/completions", f"Content-Length: {MOST_BODY + 1}\r\n"), b"", 413, 0),
                (self.fleet.head("bad", "/v1/completions", "Transfer-Encoding: chunked\r\n"),
                 b"8000\r\n" + b" " * 0x8000 + b"\r\n", 413, MOST_BODY + (8 << 20)),  # and what the systems buffer
                (b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"X-Long: " + b"x" * 1000 + b"\r\n", 431, 8 << 20),
            ][index % 3]
            async with await Connection.open(self.fleet.port) as connection:
                sent = [0]
                sender = asyncio.create_task(flood(connection, head, piece, sent))
                answer = await connection.answer()
                sender.cancel()
                await asyncio.wait([sender])
            # All bodies that arrive have a bound, too. It may refuse a large one before its own does.
            crowded = piece and expected == 413 and answer.refused()
            self.expect(answer.status == expected or crowded, f"got {answer.status}, expected {expected}")
            self.expect(sent[0] <= most, f"the answer {expected} came after {sent[0]} bytes")
            figures[str(answer.status)] += 1

        clients = asyncio.gather(*(client(i) for i in range(self.counts.large)))
        await self.good_clients(figures, clients)
        await clients

    async def held_bodies(self, figures):
        """Bodies that stop before their end, together as large as the server takes. Good clients are still served."""
        sizes = [MOST_BODY - 8] * (ALL_BODIES // MOST_BODY)
        sizes.append(ALL_BODIES - sum(sizes) - 10)
        async with contextlib.AsyncExitStack() as stack:
            for size in sizes:
                connection = await stack.enter_async_context(await Connection.open(self.fleet.port))
                await connection.send(self.fleet.head("bad", "/v1/completions", f"Content-Length: {MOST_BODY}\r\n"))
                with contextlib.suppress(ConnectionError):  # the server may prefer to close a large one
                    await connection.send(b" " * size)
            figures["held"] = len(sizes)
            for request in self.requests[:3]:
                async with await Connection.open(self.fleet.port) as connection:
                    await connection.send(self.fleet.request(self.streaming(request[0])))
                    answer = await connection.answer()
                if answer.status == 200:
                    self.compare_output(answer, request, figures)
                else:
                    self.violation(f"held bodies lock a good client out: {answer.status} {answer.body}")

    async def kill_while_streaming(self, program, figures, kind):
        """Kills a program after some events of 16 streams, and starts it again. No client may notice."""
        events = 0
        fatal = self.draw.randint(50, 400)
        gone = asyncio.Event()

        def on_event():
            nonlocal events
            events += 1
            if events == fatal:
                program.kill()
                gone.set()

        streams = [asyncio.create_task(self.ask(request, figures, on_event=on_event)) for request in self.long_requests]
        await gone.wait()
        figures[kind] += 1
        figures["streams hit"] += sum(not stream.done() for stream in streams)
        program.start()
        await asyncio.gather(*streams)
        await self.fleet.ready()

    async def kills(self, figures):
        moves = -await self.fleet.gateway.metric("recycling_sequence_moves_total")
        for i in range(self.counts.kills):
            await self.kill_while_streaming(self.fleet.verifiers[i % 2], figures, "verifiers killed")
        await self.kill_while_streaming(self.fleet.drafter, figures, "drafters killed")
        moves += await self.fleet.gateway.metric("recycling_sequence_moves_total")
        figures["moves"] = int(moves)
        self.expect(moves > 0, "no sequence moved to another verifier")

    async def leavers(self, figures):
        """Clients that leave at a random byte of the request or after a random event of the answer."""
        class Left(Exception):
            pass

        async def leave():
            draw = random.Random(self.draw.getrandbits(60))
            data = self.fleet.request(self.streaming(random_request(draw, 200)), "bad")
            way = draw.choice(["reset", "half_close", "close"])
            events = draw.randint(0, 30)

            def on_event():
                nonlocal events
                events -= 1
                if events < 0:
                    raise Left

            async with await Connection.open(self.fleet.port) as connection:
                if draw.random() < 0.4:
                    await connection.send(data[:draw.randrange(len(data))])
                else:
                    await connection.send(data)
                    with contextlib.suppress(Left):
                        if (await connection.answer(on_event)).refused():
                            figures["refused"] += 1
                getattr(connection, way)()
                if way == "half_close":
                    await connection.closed()  # the server closes, too
            figures[way] += 1

        for begin in range(0, self.counts.leavers, 100):
            clients = asyncio.gather(*(leave() for _ in range(begin, min(begin + 100, self.counts.leavers))))
            await self.good_clients(figures, clients)
            await clients

    async def reuse(self, figures):
        """One connection for many requests, one after the other and pipelined."""
        async def client(requests):
            async with await Connection.open(self.fleet.port) as connection:
                data = [self.fleet.request(self.streaming(body)) for body, _ in requests]
                for piece, request in zip(data, requests):
                    await connection.send(piece)
                    self.compare_output(await connection.answer(), request, figures)
                await connection.send(b"".join(data))
                for request in requests:
                    self.compare_output(await connection.answer(), request, figures)
        await asyncio.gather(*(client(self.requests[i::8]) for i in range(8)))

    async def drain(self, figures):
        """SIGTERM during streams: running ones end rightly, waiting ones are refused, the exit code is 0."""
        events = 0

        def on_event():
            nonlocal events
            events += 1
            if events == 100:
                self.fleet.gateway.process.send_signal(signal.SIGTERM)

        async def client(request, body):
            async with await Connection.open(self.fleet.port) as connection:
                await connection.send(self.fleet.request(body))
                answer = await connection.answer(on_event)
            if answer.refused():
                figures["refused"] += 1
            else:
                self.compare_output(answer, request, figures)

        await asyncio.gather(*(client(request, self.streaming(request[0])) for request in self.long_requests * 2))
        code = await asyncio.to_thread(self.fleet.gateway.process.wait)
        self.expect(code == 0, f"the gateway exits with {code}")
        self.expect(figures["right"] >= 16, "a running stream did not end rightly")

    # ---- The run

    async def part(self, run):
        figures = collections.Counter()
        gateway = self.fleet.gateway
        gateway.forget_peak()
        begin = time.monotonic()
        try:
            await asyncio.wait_for(run(figures), PART_SECONDS)
            if gateway.process.poll() is None:
                await asyncio.wait_for(self.fleet.idle(), PART_SECONDS)
                figures["peak MiB"] = round(gateway.facts().peak_mib)
        except (Wrong, Cut, OSError, ValueError, KeyError, asyncio.TimeoutError) as error:
            self.violation(f"{run.__name__}: {error!r}")
        text = ", ".join(f"{name} {value}" for name, value in sorted(figures.items()))
        print(f"{run.__name__}: {text} ({time.monotonic() - begin:.1f} s)", flush=True)

    async def round(self):
        for run in (self.streams, self.slow_readers, self.half_sent, self.large, self.held_bodies, self.kills,
                    self.leavers, self.reuse):
            await self.part(run)

    async def run(self, rounds, minutes):
        await self.fleet.ready()
        await self.prepare()
        await self.round()
        gateway = self.fleet.gateway
        base = gateway.facts()
        print(f"gateway after the warm-up: {base}", flush=True)
        begin = time.monotonic()
        done = 0
        while done < rounds if minutes is None else time.monotonic() - begin < 60 * minutes:
            await self.round()
            done += 1
            now = gateway.facts()
            print(f"gateway after {done} more rounds: {now}", flush=True)
        now = gateway.facts()
        growth = now.resident_mib - base.resident_mib
        self.expect(growth <= self.growth_mib, f"the gateway's memory grew by {growth:.1f} MiB")
        self.expect(now.descriptors <= base.descriptors + SPARE_DESCRIPTORS, f"descriptors: {base} before, {now} after")
        self.expect(now.threads <= base.threads + POOL_THREADS, f"threads: {base} before, {now} after")
        await self.part(self.drain)
        for program in self.fleet.programs[:-1]:
            self.expect(program.process.poll() is None, f"{program.command[0]} has exited")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_dir")
    parser.add_argument("model")
    parser.add_argument("--full", action="store_true")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--rounds", type=int, default=1)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growth_mib", type=float, default=32, help="how much the gateway's memory may grow")
    parser.add_argument("--keep", help="folder for the logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        folder = options.keep or stack.enter_context(tempfile.TemporaryDirectory())
        fleet = Fleet(options.bin_dir, options.model, folder)
        stack.callback(fleet.stop)
        load = Load(fleet, Counts() if options.full else SHORT, options.seed, options.growth_mib)
        asyncio.run(load.run(options.rounds, options.minutes))
    print(f"{load.violations} violations")
    return 1 if load.violations else 0


if __name__ == "__main__":
    sys.exit(main())
