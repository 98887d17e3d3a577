"""The verbs of `sr-bench` that make pages to read: report and demo."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.measuring.options import ExportSize, Json, Runs, Seconds, sides
from sr_models.ground.console import json_text, print_table, say, write_json
from sr_models.ground.native_output import import_tensorflow_quietly


def report(
    results: Annotated[
        list[str],
        typer.Argument(metavar="RESULTS", help="What others wrote: .json, or a history, .jsonl."),
    ],
    *,
    out: Annotated[str, typer.Option(metavar="PAGE.html", help="The page to write.")],
    title: Annotated[str, typer.Option(help="Headline of the page.")] = "Measured files",
) -> None:
    """Draw one self-contained HTML page from the JSON of latency, quality, compare and android.

    [bold]Examples[/bold]

    \b
    sr-bench report latency.json quality.json --out report.html
    sr-bench report compare.json --out report.html --title "Clip-free against clipped"
    sr-bench report latency.json phones.json speed.jsonl --out report.html
    """
    from runtime_bench.pages.results import page_of_results, read_results

    page_of_results([read_results(path) for path in results], title=title).save(out)
    say(f"wrote {out}")


def demo(
    name: Annotated[str, typer.Argument(help="Preset name.")] = "xlsr_x3",
    *,
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder to write.")] = "demo",
    images: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Calibration pictures.", show_default="scikit-image's pictures"
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Ground truth for PSNR.", show_default="scikit-image's pictures"
        ),
    ] = None,
    size: ExportSize = "360x640",
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder.")] = False,
    json: Json = None,
) -> None:
    """Export one network as people do today and clip-free, and show the difference.

    Writes every file with its manifest, results.json and report.html.

    [bold]Examples[/bold]

    \b
    sr-bench demo
    sr-bench demo xlsr_x3 --out demo --data benchmark --overwrite
    """
    from sr_models.ground.files import refuse_existing, writing_folder
    from sr_models.networks.presets import get_preset

    preset, chosen = get_preset(name), sides(size)
    ours = ("*.tflite", "*.json", "report.html")
    refuse_existing(out, overwrite=overwrite, replaces=ours)
    from export.running.plan import Plan
    from runtime_bench.measuring.usage import require_data

    plan = Plan(runs=runs, seconds=seconds)
    for folder in (images, data):
        require_data(folder)
    from runtime_bench.measuring.machine import read_machine

    machine = read_machine()
    import_tensorflow_quietly()
    from runtime_bench.measuring.tables import protocol_lines
    from runtime_bench.pages.demo import build_page, run_demo, table

    with writing_folder(out, overwrite=overwrite, replaces=ours) as folder:
        found = run_demo(
            name,
            out=folder,
            images=images,
            data=data,
            plan=plan,
            on_stage=say,
            **chosen,
        )
        result = {**found.to_json(), "machine": machine.to_json()}
        (folder / "results.json").write_text(json_text(result))
        page = build_page(found, machine=machine.to_json(), scale=preset.scale)
        page.save(folder / "report.html")
    write_json(result, json)
    if json != "-":
        print_table(f"{name} at {size}", *table(found))
    for line in protocol_lines(machine, found.rows[0].latency[1].runtime):
        say(line)
    say(f"open {out}/report.html")
