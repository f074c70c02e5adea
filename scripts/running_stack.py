"""A stack of scripts/stack as a script in Python sees it: its parts, its database, its addresses."""
import os, pathlib, subprocess, urllib.request

here = pathlib.Path(__file__).resolve().parent
DAEMONS = ["daemon", "daemon2", "daemon3"]


def http(method, url, body=None, timeout=15, **headers):
    """The answer's headers and body; anything but 2xx is raised."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers=fields)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.headers, answer.read()


class RunningStack:
    def __init__(self, folder):
        self.folder, self.env = folder, {}

    def __call__(self, *words, **more):
        """scripts/stack WORDS on this folder."""
        subprocess.run([here / "stack", *words, self.folder], check=True, env={**os.environ, **more}, stdout=subprocess.DEVNULL)

    def up(self, **more):
        self("up", **more)
        lines = [line.removeprefix("export ") for name in ("demo.env", "ports.env") for line in (self.folder / name).read_text().splitlines()]
        self.env = dict(pair.split("=", 1) for line in lines for pair in line.split(" ") if "=" in pair)

    def rows(self, text):
        """Rows of a query; none while the database is away."""
        run = subprocess.run(["psql", self.env["DATABASE_URL"], "-XAtc", text], capture_output=True, text=True,
                             env={**os.environ, "PGPASSFILE": self.env["PGPASSFILE"], "PGOPTIONS": "-csearch_path=countersign"})
        return [line.split("|") for line in run.stdout.splitlines()] if run.returncode == 0 else []

    def count(self, text):
        """The number that a query gives; -1 while the database is away."""
        rows = self.rows(text)
        return int(rows[0][0]) if rows else -1

    def process(self, part):
        try:
            return int((self.folder / "run" / f"{part}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
