#!/usr/bin/env python3
"""Plays the listeners of a cluster, and looks whether any reader misses one of them.

Registers webhooks with the Tr1d1ums in turn, renews most of them and lets the others end; meanwhile asks every reader that says
it is ready for its list. A webhook is missed where its registration was accepted more than SETTLE seconds ago, it does not end within
MARGIN, and the list does not have it, or has an older state of it. It is stale where it ended long ago and the list has it still.

The file --control names the step that is under way, a line, and the lists that are not looked at in it, a line each; 'end' ends it.
What was seen is written to --report as JSON whenever a round is over.
"""

import argparse
import base64
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone

AUTH = "Basic " + base64.b64encode(b"user:pass").decode()
MARGIN = 3.0  # Argus counts in whole seconds, and leaves out what has less than one.


def fetch(url, body=None, timeout=10):
    request = urllib.request.Request(url, data=body, headers={"Authorization": AUTH, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return response.read()


def date(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_of(text):
    # Python's %f knows six digits.
    whole, _, rest = text.rstrip("Z").partition(".")
    base = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    return base + (float("0." + rest) if rest else 0)


class Truth:
    """What was registered: for each webhook when which end was accepted."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = {}
        self.counts = {"registered": 0, "renewed": 0, "tried again": 0}

    def add(self, url, until, is_renewal, retries):
        with self.lock:
            self.accepted.setdefault(url, []).append((time.time(), until))
            self.counts["renewed" if is_renewal else "registered"] += 1
            self.counts["tried again"] += retries

    def due(self, before, ends_after):
        """The latest end that every reader has to know, of each webhook that lives."""
        with self.lock:
            known = {url: max((u for at, u in states if at <= before), default=0) for url, states in self.accepted.items()}
        return {url: until for url, until in known.items() if until > ends_after}

    def ended(self, before):
        with self.lock:
            return {url for url, states in self.accepted.items() if max(u for _, u in states) < before}

    def live(self):
        now = time.time()
        with self.lock:
            return sum(1 for states in self.accepted.values() if max(u for _, u in states) > now)

    def first_accepted(self, url, until):
        with self.lock:
            return next((at for at, u in self.accepted.get(url, []) if u == until), None)


class Listener(threading.Thread):
    """A webhook's owner: registers it, and renews it every so often, or lets it end and makes another."""

    def __init__(self, number, options, truth, stop):
        super().__init__(daemon=True)
        self.number, self.options, self.truth, self.stop = number, options, truth, stop
        self.renews = number % 5 != 0
        self.turn = number

    def register(self, url, lives, is_renewal):
        until = time.time() + lives
        body = json.dumps([{
            "config": {"url": url, "content_type": "application/json", "secret": f"secret-{self.number}"},
            "matcher": {"device_id": [".*"]}, "events": ["device-status"], "until": date(until), "duration": 300,
        }]).encode()
        retries = 0
        while not self.stop.is_set():
            address = self.options.tr1d1um[self.turn % len(self.options.tr1d1um)]
            self.turn += 1
            try:
                fetch(f"{address}/api/v2/hook", body)
                # What was written into the record is what readers tell.
                self.truth.add(url, seconds_of(date(until)), is_renewal, retries)
                return
            except (urllib.error.URLError, OSError):
                retries += 1
                self.stop.wait(0.2)

    def run(self):
        self.stop.wait(random.uniform(0, self.options.every))
        generation = 0
        while not self.stop.is_set():
            if self.renews:
                self.register(f"http://listener-{self.number}.example/hook", self.options.lives, generation > 0)
                self.stop.wait(self.options.every * random.uniform(0.9, 1.1))
            else:
                self.register(f"http://passing-{self.number}-{generation}.example/hook", self.options.lives / 2, False)
                self.stop.wait(self.options.lives / 2 + random.uniform(0, 2))
            generation += 1


class Reader:
    """A Tr1d1um or Caduceus whose list is looked at."""

    def __init__(self, text):
        self.name, self.list, self.ready = text.split(",")
        self.seen = None

    def look(self, truth, settle, report):
        try:
            fetch(self.ready, timeout=5)
            # Its list has to be whole from the moment at which it says that it is ready.
            asked = time.time()
            records = json.loads(fetch(self.list))
            answered = time.time()
        except (urllib.error.URLError, OSError, ValueError):
            # It is being replaced: what it knows when it is back says nothing of how long that took.
            self.seen = None
            return None
        known = {r["config"]["url"]: seconds_of(r["until"]) for r in records}
        missed = [
            (url, until, known.get(url)) for url, until in truth.due(asked - settle, answered + MARGIN).items()
            if known.get(url, 0) < until - 0.001
        ]
        for url, until, shown in missed:
            report["missed"].append({
                "reader": self.name, "url": url, "until": date(until), "shown": shown and date(shown), "at": date(asked),
            })
        stale = [url for url in truth.ended(asked - settle - MARGIN) if url in known]
        report["stale"] += [{"reader": self.name, "url": url, "at": date(asked)} for url in stale]
        for url, until in known.items() if self.seen is not None else []:
            accepted = truth.first_accepted(url, until)
            if self.seen.get(url) != until and accepted is not None:
                if asked - accepted > report["lag"]:
                    report["lag"] = asked - accepted
                    report["slowest"] = {"reader": self.name, "url": url, "accepted": date(accepted), "seen": date(asked)}
        self.seen = known
        report["looks"][self.name] = report["looks"].get(self.name, 0) + 1
        return len(known)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tr1d1um", action="append", required=True, help="where to register; may be repeated")
    parser.add_argument("--reader", action="append", required=True, help="NAME,URL of the list,URL of readiness")
    parser.add_argument("--control", required=True)
    parser.add_argument("--report", required=True)
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--every", type=float, default=8, help="seconds between renewals")
    parser.add_argument("--lives", type=float, default=40, help="seconds that a registration lives")
    parser.add_argument("--settle", type=float, default=8, help="seconds after which every reader has to know")
    options = parser.parse_args()

    truth, stop = Truth(), threading.Event()
    readers = [Reader(text) for text in options.reader]
    for number in range(options.listeners):
        Listener(number, options, truth, stop).start()
    steps = []
    while True:
        with open(options.control, encoding="utf-8") as file:
            lines = file.read().split("\n")
        name, left_out = lines[0], set(lines[1:])
        if name == "end":
            break
        if not steps or steps[-1]["step"] != name:
            steps.append({"step": name, "missed": [], "stale": [], "lag": 0.0, "looks": {}, "sizes": {}, "rounds": 0})
        step = steps[-1]
        for reader in readers:
            if reader.name in left_out:
                reader.seen = None
        sizes = {r.name: r.look(truth, options.settle, step) for r in readers if r.name not in left_out}
        step["sizes"] = {name: size for name, size in sizes.items() if size is not None}
        step["live"] = truth.live()
        step["rounds"] += 1
        step["traffic"] = dict(truth.counts)
        temporary = options.report + ".new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(steps, file, indent=1)
        os.replace(temporary, options.report)
        time.sleep(0.5)
    stop.set()


if __name__ == "__main__":
    main()
