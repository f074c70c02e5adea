"""One cell of the fail-point matrix: a daemon of a running stack that comes to its fail point, and what is left in the end."""
import base64, collections, json, os, pathlib, re, signal, socket, subprocess, threading, time, urllib.error, urllib.request

from fail_point_lines import LINES

here = pathlib.Path(__file__).resolve().parent
HANG = 5  # seconds: beyond the lease below
DAEMONS = ["daemon", "daemon2", "daemon3"]
WORKER = {"lease": "3s", "heartbeat": "1s", "poll": "300ms", "rescue": "500ms", "retry_base": "200ms", "retry_ceiling": "1s",
          "retry_after_ceiling": "1s", "subject_lease": "6s"}
LOG = int(os.environ.get("LAB_LOG", 1))  # which of the lab's logs the daemons use: each has lines of its own
MORE_RULES = '- {name: both, repositories: ["**/legacy/**"], formats: [bundle, legacy]}' if LOG == 1 else ""
MORE_SETTINGS = """attestations: {{inline_limit: 64KiB}}  # what is larger stands beside the image, or is streamed
reconcile: {{identity_monitor: {{enabled: true, poll: 1s, rate: 200}}}}
notifications:
  sinks:
    - {{name: cells, url: "http://127.0.0.1:{port}/hook", private_network: true, plain_http: true, connect_timeout: 1s, timeout: 2s,
       secret: {{file: "{secret}"}}, retry_base: 200ms, retry_ceiling: 1s}}
"""


def wait(seconds, holds, pause=0.05):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def state(pid):
    """The letter of /proc: T while it stands still, Z or nothing when it is dead."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Stack:
    """Everything that scripts/stack started under a folder."""
    def __init__(self, folder, binary):
        self.folder, self.binary = folder, pathlib.Path(binary)
        self.end(folder)
        for name in ("run", "registry", "lab", "logs", "journals", "secrets"):
            subprocess.run(["rm", "-rf", folder / name], check=True)
        (folder / "journals").mkdir(parents=True)
        self("up", DAEMONS="1", LAB_LOG=str(LOG), MORE_RULES=MORE_RULES, MORE_SETTINGS=self.receiver())
        for name in ("countersign.yaml", "countersign2.yaml", "countersign3.yaml"):
            head, _, worker = (folder / name).read_text().partition("\nworker:\n")
            kept = [line for line in worker.splitlines() if line.strip().split(":")[0] not in WORKER]
            (folder / name).write_text(head + "\nworker:\n" + "\n".join(kept + [f"  {key}: {value}" for key, value in WORKER.items()]) + "\n")
        lines = [line.removeprefix("export ") for name in ("demo.env", "ports.env") for line in (folder / name).read_text().splitlines()]
        self.env = dict(pair.split("=", 1) for line in lines for pair in line.split(" ") if "=" in pair)

    def receiver(self):
        """Starts one of notifications: the settings that tell it of everything."""
        self.told = self.folder / "journals/told.jsonl"
        self.told.touch()
        secret = self.folder / "secrets/sink"
        secret.parent.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        secret.write_bytes(base64.b64encode(os.urandom(24)))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen([here / "notification-sink", str(port), secret, self.told], start_new_session=True)
        (self.folder / "run").mkdir()
        (self.folder / "run/receiver.pid").write_text(str(process.pid))
        return MORE_SETTINGS.format(port=port, secret=secret)

    @staticmethod
    def end(folder):
        """Stops everything, also what stands still."""
        receiver = Stack.process_in(folder, "receiver")
        if receiver and "notification-sink" in command(receiver):
            os.kill(receiver, signal.SIGTERM)
        for name in DAEMONS:
            pid = Stack.process_in(folder, name)
            if pid and state(pid) == "T":
                os.kill(pid, signal.SIGCONT)
        subprocess.run([here / "stack", "down", folder], stdout=subprocess.DEVNULL)

    def __call__(self, *words, check=True, **more):
        """scripts/stack WORDS; whether it went well."""
        environment = {**os.environ, "COUNTERSIGN_BIN": str(self.binary), **more}
        return subprocess.run([here / "stack", *words, self.folder], check=check, env=environment, stdout=subprocess.DEVNULL,
                              stderr=None if check else subprocess.DEVNULL).returncode == 0

    def query(self, text):
        run = subprocess.run(["psql", self.env["DATABASE_URL"], "-XAtc", text], capture_output=True, text=True, check=True,
                             env={**os.environ, "PGPASSFILE": self.env["PGPASSFILE"], "PGOPTIONS": "-csearch_path=countersign"})
        return [line.split("|") for line in run.stdout.splitlines()]

    def process(self, name):
        return self.process_in(self.folder, name)

    @staticmethod
    def process_in(folder, name):
        try:
            return int((folder / "run" / f"{name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def signal(self, names, sign):
        for name in names:
            try:
                os.kill(self.process(name), sign)
            except (ProcessLookupError, TypeError):
                pass

    def ask(self, request):
        """Sends it to the first daemon, which may be dead or asleep: until it answers."""
        token = (self.folder / "secrets/api_token").read_text().strip()
        sent = urllib.request.Request(self.env["COUNTERSIGN_API"] + request.path, request.body, method=request.method,
                                      headers={"Authorization": f"Bearer {token}", **request.headers})
        try:
            with urllib.request.urlopen(sent, timeout=1):
                return True
        except urllib.error.HTTPError as error:
            if error.code >= 500:
                return False
            raise RuntimeError(f"{request.method} {request.path}: {error.code} {error.read().decode()}") from error
        except OSError:
            return False


class Pushed(collections.namedtuple("Pushed", "registry name digest tag")):
    """What the journal says of an image."""
    repository = property(lambda self: f"{self.registry}/{self.name}")
    by_digest = property(lambda self: f"{self.repository}@{self.digest}")
    by_tag = property(lambda self: self.tag)


class Cell:
    def __init__(self, stack, name, place, line, passage, action, daemons):
        self.name, self.place, self.passage, self.action, self.daemons = name, place, passage, action, daemons
        self.stack, self.folder, self.env = stack, stack.folder, stack.env
        self.line = LINES[line]
        self.log = self.folder / "logs/daemon.log"
        self.journals = []
        self.pushed = []
        self.pending = []
        self.stood = self.over = False

    def setting(self):
        action = f"hang:{HANG}" if self.action == "hang" else self.action
        return f"{self.place}:{action}@{self.passage}"

    def hits(self):
        with open(self.log, "rb") as log:
            log.seek(self.offset)
            return log.read().count(f"fail point reached: {self.place}\n".encode())

    def digests(self):
        return ",".join(f"'{one.digest}'" for one in self.pushed)

    def free_turn(self):
        """As if its time were over."""
        if self.line.turn:
            self.stack.query(f"DELETE FROM turn WHERE name LIKE '{self.line.turn}'")

    def begin(self):
        # one database for all cells: what was put aside before is not this one's
        self.aside = int(self.stack.query("SELECT count(*) FROM evidence WHERE abandoned_at IS NOT NULL")[0][0])
        self.others(signal.SIGCONT)
        self.stack("kill", "daemon")
        self.offset = self.log.stat().st_size if self.log.exists() else 0
        for name in DAEMONS[1:]:
            if self.daemons == 3 and not (self.stack.process(name) and state(self.stack.process(name))):
                self.stack("start", name)
            if self.daemons == 1 and self.stack.process(name):
                self.stack("kill", name)
        if self.line.stands:
            self.stack("start", "daemon")
            self.push()
            self.pending = self.line.documents(self.pushed)
            documents = len(self.pending) // len(self.pushed)
            if not wait(self.line.patience, lambda: self.settled(LINES["push"].ends, 1 + documents), 0.1):
                raise RuntimeError("what is to stand before does not settle")
            self.stack("kill", "daemon")
        self.line.befalls(self)
        if self.line.turn:
            self.others(signal.SIGSTOP)
            self.free_turn()
        self.offset = self.log.stat().st_size if self.log.exists() else 0
        if self.action == "hang":
            threading.Thread(target=self.watch, daemon=True).start()
        # one that is reached before the daemon is ready stops it from becoming so
        if not self.stack("start", "daemon", check=False, COUNTERSIGN_FAIL_POINT=self.setting()) and not self.hits():
            raise RuntimeError(f"the daemon does not start with {self.setting()}")
        self.pid = self.stack.process("daemon")

    def watch(self):
        """Sees the daemon stand still, whatever the cell waits for meanwhile."""
        while not (self.stood or self.over):
            self.stood = state(self.stack.process("daemon")) == "T"
            time.sleep(0.05)

    def push(self):
        """A round of images."""
        path = self.folder / f"journals/{re.sub('[:/]', '-', self.name)}-{len(self.journals)}.jsonl"
        many = self.line.images or int(os.environ.get("IMAGES", 2 if self.daemons == 1 else 6))
        subprocess.run([self.stack.binary.parent / "countersign-push", "burst", "--registry", self.env["REGISTRY"], "--api",
                        self.env["COUNTERSIGN_API"], "--push-only", "--images", str(many), "--rate", "0", "--prefix",
                        f"{self.line.prefix}/{self.place}-{self.action}-{self.daemons}-{time.time_ns() % 10**9}", "--repositories",
                        "1" if self.line.images else "2", "--journal", path], check=True, stdout=subprocess.DEVNULL)
        self.journals.append(path)
        fresh = [Pushed(self.env["REGISTRY"], one["repository"], one["digest"], one["reference"]) for one in map(json.loads, path.read_text().splitlines())]
        self.pushed += fresh
        return fresh

    def requests(self):
        """Sends what was not taken yet, up to the first that gets no answer: whoever waits looks at the daemon in between."""
        while self.pending and self.stack.ask(self.pending[0]):
            self.pending.pop(0)
            if self.hits():
                return

    def others(self, sign):
        self.stack.signal(DAEMONS[1:] if self.daemons == 3 else [], sign)

    def reached(self):
        """Of three daemons it must be this one that comes there: in the end the others stand still meanwhile."""
        try:
            def hit():
                self.requests()
                return self.hits() > 0
            if self.line.stands:
                self.others(signal.SIGSTOP)
                self.pending = self.line.asks(self.pushed)
                return wait(20, hit)
            for rounds in range(5):
                if rounds >= 2 or self.line.needs_the_first:
                    self.others(signal.SIGSTOP)
                self.pending += self.line.asks(self.push())
                if wait(5, hit):
                    return True
            return False
        finally:
            self.others(signal.SIGCONT)

    def expect_action(self):
        if self.action == "kill":
            if not wait(5, lambda: state(self.pid) in ("", "Z")):
                return "did not die"
            self.stack("kill", "daemon")
            self.free_turn()
            self.stack("start", "daemon")
        if self.action in ("error", "drop") and self.line.looks_at_start:
            self.stack("kill", "daemon")
            self.free_turn()
            self.stack("start", "daemon")
        if self.action == "hang":
            if not wait(2, lambda: self.stood):
                return "did not stand still"
            if not wait(HANG + 10, lambda: state(self.pid) not in ("T", "")):
                return "did not wake"
        return None

    def settled(self, ends=None, wanted=None):
        wanted = wanted or self.line.counts
        self.requests()
        [[well, there, jobs]] = self.stack.query(f"""
            WITH newest AS (SELECT DISTINCT ON (repository_id, digest, purpose) * FROM target WHERE digest IN ({self.digests()})
                ORDER BY repository_id, digest, purpose, generation DESC)
            SELECT *, (SELECT count(*) FROM job) FROM ({ends or self.line.ends}) AS found""")
        return not self.pending and int(well) == int(there) == wanted * len(self.pushed) and int(jobs) == 0

    def check(self):
        run = subprocess.run([here / "check", self.folder, *self.journals], capture_output=True, text=True,
                             env={**os.environ, "FORMATS": self.line.formats, "ASIDE": str(self.aside),
                                  "TILES_URL": self.env["REKOR2_URL"] if LOG == 2 else ""})
        counts = re.search(r"lost (\d+), duplicate (\d+), unverifiable (\d+), stuck (\d+)", run.stdout)
        return run.returncode == 0, "/".join(counts.groups()) if counts else "?", run.stdout + run.stderr

    def untold(self):
        """Of which image the receiver was not told, or under two ids."""
        ids = collections.defaultdict(set)
        for line in map(json.loads, self.stack.told.read_text().splitlines()):
            if line["status"] == 204 and line["type"].endswith("artifact.signed"):
                ids[line["subject"].split("@")[-1]].add(line["id"])
        return [one.digest for one in self.pushed if len(ids[one.digest]) != 1]

    def run(self):
        began = time.monotonic()
        self.begin()
        problem = None if self.reached() else "not reached"
        hits = self.hits()
        problem = problem or self.expect_action()
        self.over = True
        if not wait(self.line.patience, self.settled, 0.1):
            problem = problem or "not settled"
        if self.action == "hang":
            time.sleep(1)  # what the woken one still does must change nothing
        clean, counts, output = self.check()
        if not clean:
            problem = problem or "not clean"
        if self.line is LINES["notify"] and self.untold():
            problem = problem or "not told"
        if problem:
            (self.folder / "failed").mkdir(exist_ok=True)
            with open(self.log, "rb") as log:
                log.seek(self.offset)
                (self.folder / "failed" / f"{self.name.replace('/', '-')}.log").write_bytes(output.encode() + log.read())
        return {"cell": self.name, "hits": hits, "counts": counts, "seconds": round(time.monotonic() - began, 1), "result": problem or "ok"}
