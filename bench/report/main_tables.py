"""The result tables: every method against the main score of every task, one table a domain."""

from __future__ import annotations

from bench.report.collect import Results
from bench.report.tables import Column, Table, build

DOMAINS = {"face": "Faces", "car": "Cars", "": "Not run yet"}


def result_tables(results: Results) -> list[Table]:
    """One table a domain, in plan order: methods x tasks, each task by its main score."""
    domains: dict[str, list[str]] = {}
    for task in dict.fromkeys(cell.task for cell in results.cells):
        domain = results.any_record(task=task).get("task", {}).get("domain", "")
        domains.setdefault(domain, []).append(task)
    tables = []
    for domain, tasks in sorted(domains.items(), key=lambda item: list(DOMAINS).index(item[0])):
        columns = [Column(task, task, main_score(results, task)) for task in tasks]
        methods = list(dict.fromkeys(cell.method for cell in results.cells if cell.task in tasks))
        tables.append(build(f"results_{domain or 'pending'}", DOMAINS[domain], results, columns, methods))
    return tables


def main_score(results: Results, task: str) -> str:
    """Name of the task's main score; empty where no cell of it went well."""
    return next((cell.main["name"] for cell in results.cells if cell.task == task and cell.main), "")
