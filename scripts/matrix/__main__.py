"""The matrix of scripts/interop-matrix.

    python3 scripts/matrix rules STACK                   the policy rules of a stack, for MORE_RULES of scripts/stack
    python3 scripts/matrix judge PYTHON FOLDER STACK=DIR…   publishes in each stack, judges, prints; exit 0 only if all is as it must be
"""
import collections, concurrent.futures, pathlib, re, sys, time
from judging import COLUMNS, PASS, REFUSE, Published, checks, sigstore_python_checks
from plan import CONFIGURATIONS, SUBJECTS, rules
from publishing import Stack, publish, wait
from theirs import their_tag_value


def judge(python, folder, stacks):
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    planned = [(stacks[one.stack], one) for one in CONFIGURATIONS if one.stack in stacks]
    workers = 4  # clients at a time: they wait for the registry and for each other more than they compute
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        subjects = sum(pool.map(lambda pair: publish(*pair), planned), [])
        wait(subjects)
        print(f"{len(subjects)} subjects with {sum(len(one.attestations) for one in subjects)} documents in "
              f"{len(planned)} configurations: signed and attached after {time.monotonic() - start:.0f} s", flush=True)
        everything = list(zip(subjects, pool.map(lambda one: Published.read(one, folder), subjects)))
        theirs = their_tag_value(next(iter(stacks.values())), folder, python)
        pythons = [pool.submit(lambda stack=stack: list(sigstore_python_checks(
            stack, [pair for pair in everything if pair[0].stack is stack], python))) for stack in stacks.values()]
        planned_checks = [check for pair in everything for check in checks(*pair)]
        verdicts = list(zip(planned_checks, pool.map(lambda check: check.run(), planned_checks)))
        verdicts += [(check, check.run()) for future in pythons for check in future.result()]
    good = report(verdicts, theirs)
    print(f"{len(verdicts)} checks, {time.monotonic() - start:.0f} s with {workers} clients at a time")
    return good


def report(verdicts, theirs):
    """The table, then what is not as it must be. A cell: checks that went as they must, of all; `known`: refused like cosign's own."""
    cells, wrong, known = collections.Counter(), [], []
    for check, (passed, said) in verdicts:
        cell = (check.subject.configuration.name, check.subject.kind, check.column)
        cells[cell, "all"] += 1
        if check.must == REFUSE:
            good = not passed and re.search(check.because, said) is not None
        elif check.must == PASS or passed:
            good = passed
        else:
            good = theirs[check.column] is not None
            if good:
                cells[cell, "known"] += 1
                known.append(check.column)
        cells[cell, "good"] += good
        if not good:
            wrong.append((check, passed, said))
    rows = [["configuration", "subject"] + COLUMNS]
    for configuration in CONFIGURATIONS:
        for kind in SUBJECTS:
            row = [configuration.name, kind]
            for column in COLUMNS:
                cell = (configuration.name, kind, column)
                text = f"{cells[cell, 'good']}/{cells[cell, 'all']}" if cells[cell, "all"] else "-"
                row.append(text + (f" ({cells[cell, 'known']} known)" if cells[cell, "known"] else ""))
            if any(text != "-" for text in row[2:]):
                rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    for column in sorted(set(known)):
        print(f"known: SPDX tag-value, {column}: cosign's own is refused too: {' '.join(theirs[column].split())[:200]}")
    for check, passed, said in wrong:
        print(f"WRONG {check.subject.configuration.name}, {check.subject.kind}, {check.column}: {check.what}: "
              f"{'accepted' if passed else 'refused'}, it must: {check.must}\n" + "\n".join(f"        {line}" for line in last_lines(said)))
    return not wrong


def last_lines(text):
    """The end of what a client said, each line once: cosign says some for every layer."""
    return list(dict.fromkeys(line.strip()[:400] for line in text.splitlines() if line.strip()))[-3:]


def main():
    if sys.argv[1] == "rules":
        print(rules(sys.argv[2]))
        return
    python, folder, *named = sys.argv[2:]
    stacks = {name: Stack(name, pathlib.Path(where)) for name, where in (one.split("=", 1) for one in named)}
    sys.exit(0 if judge(python, pathlib.Path(folder), stacks) else 1)


main()
