"""``nas doctor``: whether a search can run here, or on a cluster."""

import typer

from nas.cli.console import Console, Table, plain
from nas.cli.search import Address, Data, DatasetName, Insecure, Runs, StorageUrl

doctor_commands = typer.Typer()
PASSED, FAILED = "[green]✓[/]", "[red]✗[/]"


@doctor_commands.command("doctor")
def doctor_command(
    context: typer.Context,
    address: Address = None,
    insecure: Insecure = None,
    storage: StorageUrl = None,
    runs: Runs = None,
    dataset: DatasetName = None,
    data: Data = None,
) -> None:
    """Ask each node of a cluster whether a search can run on it, and say what to do.

    Looks at nodes, versions, data, the folder of --runs, database, clocks, free disk and memory,
    and the token, in seconds; without --address at this machine. The exit code is 1 where something
    is not as it should be.
    """
    from nas.search.doctor import examine

    findings = examine({name: said for name, said in context.params.items() if said is not None})
    table = Table("", "", "found", "what to do")
    for one in findings:
        table.add_row(PASSED if one.ok else FAILED, one.what, plain(one.found), plain(one.advice))
    Console(highlight=False).print(table)
    if not all(one.ok for one in findings):
        raise typer.Exit(1)
