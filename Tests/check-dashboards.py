#!/usr/bin/env python3
"""Checks what Prometheus and Grafana are given: every expression of a dashboard is one, and every metric that is named exists.

check-dashboards.py CATALOG DASHBOARD...   CATALOG is Sources/Telemetry/MetricCatalog.swift
"""
import json
import re
import subprocess
import sys
import tempfile

catalog = set(re.findall(r'"((?:xmidt|webpa|process)_\w+)": \.init', open(sys.argv[1], encoding="utf-8").read()))
failures = []


def check_names(place, text):
    for name in set(re.findall(r"\b((?:xmidt_hecate|xmidt_caduceus|webpa|process)_\w+)", text)):
        if name not in catalog and re.sub(r"_(bucket|sum|count)$", "", name) not in catalog:
            failures.append(f"{place}: there is no metric {name}")


for path in sys.argv[2:]:
    text = open(path, encoding="utf-8").read()
    check_names(path, text)
    if not path.endswith(".json"):
        continue
    dashboard = json.loads(text)
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        failures.append(f"{path}: an id is given to two panels")
    rules = [
        {"record": f"panel_{panel['id']}_{index}", "expr": target["expr"].replace("$__rate_interval", "1m")}
        for panel in dashboard["panels"] for index, target in enumerate(panel.get("targets", []))
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        checked = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
    if checked.returncode != 0:
        failures.append(f"{path}: {checked.stdout}{checked.stderr}")
if failures:
    sys.exit("\n".join(failures))
