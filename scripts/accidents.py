"""What happens to a stack in scripts/chaos: daemons die and stand still, the database is restarted, its disk is full, services fail."""
import collections, errno, json, os, pathlib, signal, subprocess, threading, time, urllib.error
from running_stack import DAEMONS, http

LEASE = 10  # seconds, in seeds/demo/countersign.yaml
HELD = "leased AND lease_expires_at > now()"
# what a service of the lab does wrong; the last ones are answers that do not verify, each for the service that can give it
FAULTS = [{"kind": "status", "status": 503, "retry_after": 1}, {"kind": "status", "status": 500}, {"kind": "status", "status": 429, "retry_after": 1},
          {"kind": "delay", "seconds": 2}, {"kind": "delay", "seconds": 12}, {"kind": "drop"}, {"kind": "drop"}]
WRONG_ANSWERS = {"FULCIO_URL": ["no_sct", "wrong_identity", "refuse_token"], "REKOR_URL": ["bad_set", "bad_proof", "bad_checkpoint"],
                 "TSA_URL": ["wrong_imprint"]}
PATHS = {"FULCIO_URL": "/api/v2/signingCert", "REKOR_URL": "/api/v1/log/entries", "TSA_URL": "/api/v1/timestamp"}


class Accidents:
    def __init__(self, stack, dice, say):
        self.stack, self.dice, self.say = stack, dice, say
        self.killed = self.leased = self.idle = self.restarted = self.frozen = 0
        self.faults = collections.Counter()  # of the services, by kind; "wrong": an answer that does not verify
        self.proxies = [f"http://127.0.0.1:{stack.env[name]}/-/faults" for name in ("PROXY_PORT", "FULCIO_PROXY_PORT", "REKOR_PROXY_PORT", "TSA_PROXY_PORT")]
        # whoever fills the disk wants no other accident meanwhile
        self.killing, self.freezing = threading.Lock(), threading.Lock()
        # which daemon a row of `worker` is: they were started in this order; each start is a new row
        self.workers = dict(zip((row[0] for row in stack.rows("SELECT id FROM worker ORDER BY started_at")), DAEMONS))
        self.seen = set(self.workers)

    # ── daemons ──
    def kill(self):
        """A daemon that holds jobs dies at once, and is started again. Counted only if it held some when it was dead."""
        for _ in range(50):  # between two jobs there is a moment without any
            holders = [worker for [worker] in self.stack.rows(f"SELECT DISTINCT worker FROM job WHERE {HELD}") if worker in self.workers]
            if holders:
                break
            time.sleep(0.05)
        else:
            return
        worker = self.dice.choice(sorted(holders))
        with self.killing:
            self.stack("kill", self.workers[worker])
            leases = self.stack.count(f"SELECT count(*) FROM job WHERE leased AND worker = '{worker}'")
            if leases > 0:
                self.killed, self.leased = self.killed + 1, self.leased + leases
            else:
                self.idle += 1
            self.start(self.workers[worker])

    def start(self, name):
        """Frozen while it starts, or without its database, it may miss the time that scripts/stack gives it: then it is started anew."""
        for _ in range(5):
            try:
                self.stack("start", name)
                break
            except subprocess.CalledProcessError:
                self.stack("kill", name)
        else:
            raise RuntimeError(f"{name} does not start")
        self.workers = {worker: one for worker, one in self.workers.items() if one != name}
        for _ in range(100):  # it shows itself as soon as it works
            fresh = [row[0] for row in self.stack.rows("SELECT id FROM worker ORDER BY started_at") if row[0] not in self.seen]
            if fresh:
                self.workers[fresh[-1]] = name
                self.seen.update(fresh)
                return
            time.sleep(0.1)

    def freeze(self):
        """A daemon stands still for longer than its lease: others take its work, and it comes back as a zombie."""
        with self.freezing:
            pid = self.stack.process(self.dice.choice(DAEMONS))
            try:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(LEASE + 3)
                os.kill(pid, signal.SIGCONT)
                self.frozen += 1
            except (ProcessLookupError, TypeError):
                pass

    # ── the database ──
    def restart_database(self):
        with self.killing:
            self.stack("restart", "postgres")
            self.restarted += 1

    def fill_disk(self, notify):
        """The database's disk is full for a while; `notify` sends a notification and says what was answered. Webhooks must say 503 until
        there is room again, and nothing else but 202. What was wrong, or None."""
        home = pathlib.Path((self.stack.folder / "run/postgres.home").read_text().strip())
        if not os.path.ismount(home):
            return "NOT RUN: neither a tmpfs nor a loop device of a given size can be mounted here (it needs root)"
        with self.killing, self.freezing:
            answers, filler, end = {}, home / "filler", time.monotonic() + 60
            occupy(filler)
            while answers.get(503, 0) < 40 and time.monotonic() < end:
                occupy(filler)  # what a checkpoint gave back
                answer = notify()
                answers[answer] = answers.get(answer, 0) + 1
                if answer == 503:
                    time.sleep(0.1)
            free = os.statvfs(home).f_bavail
            filler.unlink()
            time.sleep(2)
            # without room for its log PostgreSQL ends itself
            fell = self.stack.count("SELECT 1") != 1
            if fell:
                self.stack("restart", "postgres")
            end = time.monotonic() + 60
            while notify() != 202:
                if time.monotonic() > end:
                    return "webhooks do not take anything 60 s after there was room again"
            told = ", ".join(f"{'nothing' if answer is None else answer} {many} times" for answer, many in sorted(answers.items(), key=str))
            self.say(f"the database's disk was full ({free} blocks free): webhooks answered {told}; PostgreSQL "
                     f"{'ended itself and was started again' if fell else 'went on'}, and webhooks are taken again")
            if not answers.get(503):
                return "no webhook was answered with 503 while the disk was full"
            # no answer within the sender's time is told above, and no wrong one: it comes again
            strange = set(answers) - {202, 503, None}
            return f"webhooks were answered with {strange} while the disk was full" if strange else None

    # ── the services, and the way to them ──
    def trouble(self, rate):
        """Every so many requests to the registry, Fulcio, Rekor and the timestamp authority meet an accident of scripts/fault-proxy."""
        for proxy in self.proxies:
            http("PUT", proxy, json.dumps({"rate": rate}).encode())

    def happened(self):
        return {name: json.loads(http("GET", proxy)[1])["happened"] for name, proxy in zip(("registry", "Fulcio", "Rekor", "TSA"), self.proxies)}

    def lacking(self, kills, restarts, freezes, faults):
        """Of what there were too few: a run without accidents is clean, and proves nothing."""
        way = collections.Counter()
        for happened in self.happened().values():
            way.update(happened)
        wanted = [("kills", self.killed, kills), ("restarts of PostgreSQL", self.restarted, restarts), ("freezes", self.frozen, freezes)]
        wanted += [(f"faults of kind '{kind}' at the services", self.faults[kind], faults) for kind in ("status", "delay", "drop", "wrong")]
        wanted += [(f"accidents of kind '{kind}' on the way", way[kind], faults) for kind in ("lost", "reset", "answer", "cut", "held", "busy")]
        return [f"too few {what}: {seen} of {least}" for what, seen, least in wanted if seen < least]

    def service(self, name):
        return self.stack.env[name].split("/api/")[0]

    def fault(self):
        """A service of the lab has faults for a few seconds. Not for so many requests: a breaker that is open asks once in a
        while, and the outage would last the longer the less is asked."""
        name = self.dice.choice(list(PATHS))
        is_wrong = self.dice.random() < 0.15
        fault = {"kind": self.dice.choice(WRONG_ANSWERS[name])} if is_wrong else self.dice.choice(FAULTS)
        count = self.dice.randint(1, 3) if is_wrong or fault.get("seconds", 0) > 5 else self.dice.randint(1, 20)
        try:
            http("POST", f"{self.service(name)}/lab/faults", json.dumps({**fault, "path": PATHS[name], "count": count}).encode())
            self.faults["wrong" if is_wrong else fault["kind"]] += 1
            threading.Timer(self.dice.uniform(0.5, 3), self.mended, [name]).start()
        except (OSError, urllib.error.URLError):
            pass

    def mended(self, name):
        try:
            http("DELETE", f"{self.service(name)}/lab/faults")
        except (OSError, urllib.error.URLError):
            pass

    def heal(self):
        """All accidents end."""
        for name in PATHS:
            http("DELETE", f"{self.service(name)}/lab/faults")
        self.trouble(0)
        for name in DAEMONS:
            pid = self.stack.process(name)
            try:
                os.kill(pid, signal.SIGCONT)
            except (ProcessLookupError, TypeError):
                self.start(name)


def occupy(path):
    """All that is left on the disk of `path`."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
