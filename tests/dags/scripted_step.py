#!/usr/bin/env python3
"""Stands in for the Python of the ML environment: takes the same command line and does what a script says.

`-m smartgrid step NAME --arguments JSON --result-file FILE`. The folder SG_TEST_SCRIPT names holds `NAME.json`, a list
of what successive calls do, the last one for all that follow: {"result": ...} or {"exit": code, "stderr": text}.
`{"when": {...}}` limits an entry to calls with these arguments. Every call is added to `calls.jsonl`.
"""

import json
import os
import sys
from pathlib import Path


def main() -> int:
    name = sys.argv[4]
    arguments = json.loads(sys.argv[sys.argv.index("--arguments") + 1])
    result_file = Path(sys.argv[sys.argv.index("--result-file") + 1])
    folder = Path(os.environ["SG_TEST_SCRIPT"])
    with (folder / "calls.jsonl").open("a", encoding="utf-8") as calls:
        calls.write(json.dumps({"step": name, "arguments": arguments}) + "\n")
    script = folder / f"{name}.json"
    entries = json.loads(script.read_text()) if script.exists() else [{"result": {"step": name}}]
    entries = [e for e in entries if e.get("when", {}).items() <= arguments.items()]
    made = sum(1 for line in (folder / "calls.jsonl").read_text().splitlines() if json.loads(line)["step"] == name)
    entry = entries[min(made, len(entries)) - 1]
    print(f"{name} was called")
    print(entry.get("stderr", ""), file=sys.stderr)
    if "exit" in entry:
        return entry["exit"]
    result_file.write_text(json.dumps(entry["result"]))
    return 0


sys.exit(main())
