"""Files on phones: every file with every number of threads, on all phones at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runtime_bench.android.adb import Adb, Stopped
from runtime_bench.android.devices import choose_devices, choose_tool
from runtime_bench.android.golden import Golden, PhoneGolden, measure_golden_on_phone
from runtime_bench.android.measurement import PhoneLatency
from runtime_bench.android.output import parse_output
from runtime_bench.android.phone import Phone, read_phone, read_thermal
from runtime_bench.android.placement import PhonePlacement, judge_placement
from runtime_bench.android.profile import left_to_cpu, parse_profile
from runtime_bench.android.quality import PhoneQuality, measure_quality_on_phone
from runtime_bench.android.results_file import NAME as RESULTS
from runtime_bench.android.results_file import read_results
from runtime_bench.android.runtime_info import NAME as RUNTIME_INFO
from runtime_bench.android.runtime_info import read_runtime_info
from runtime_bench.android.session import SPARE_SECONDS, Session, open_session
from runtime_bench.android.tool import ToolRun, arguments, require_pictures
from runtime_bench.measuring.machine import require_cpus
from runtime_bench.measuring.quality import Dataset
from sr_models.ground.errors import OptionError, SrError
from sr_models.tflite.files import ModelFile, read_model
from sr_models.tflite.flatbuffer import read_graph

Step = Callable[[int, int, str], Any]


@dataclass(frozen=True)
class Job:
    """What to measure on each phone.

    Attributes:
        models: The files.
        threads: Numbers of threads to run each with.
        run: Everything else about a run; its own number of threads is replaced.
        tool: The `benchmark_model` program, or a folder with one per ABI.
        cpus: Mask of cores, hexadecimal; empty for the scheduler's choice.
        datasets: Ground-truth pictures to upscale there; none for times alone.
        goldens: A bundle's golden pairs by the name of the file; none without a bundle.
    """

    models: tuple[ModelFile, ...]
    threads: tuple[int, ...]
    run: ToolRun
    tool: Path
    cpus: str = ""
    datasets: tuple[Dataset, ...] = ()
    goldens: Mapping[str, Golden] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of one phone.

    Attributes:
        serial: The phone.
        results: What was measured before anything went wrong.
        error: What went wrong; empty where nothing did.
        quality: How well pictures were upscaled there.
        golden: How far golden pairs were from what they shall be.
    """

    serial: str
    results: tuple[PhoneLatency, ...]
    error: str = ""
    quality: tuple[PhoneQuality, ...] = ()
    golden: tuple[PhoneGolden, ...] = ()


def plan_job(
    files: Sequence[str | Path],
    *,
    threads: Sequence[int],
    run: ToolRun,
    tool: str | Path | None,
    cpus: str = "",
    datasets: Sequence[Dataset] = (),
    goldens: Mapping[str, Golden] | None = None,
) -> Job:
    """Read the files and check everything that can be checked without a phone.

    Raises:
        ModelFileError: A file cannot be read.
        OptionError: No program, or a value outside of what is allowed.
    """
    if tool is None:
        raise OptionError(
            "expected the benchmark_model program of TFLite or LiteRT, found none; give "
            "--benchmark-tool (docs/phones.md says where it comes from)"
        )
    if not Path(tool).exists():
        raise OptionError(f"expected a benchmark_model program, found no such file: {tool}")
    counts = tuple(dict.fromkeys(threads))
    for count in counts:
        replace(run, threads=count)
    models = tuple(read_model(file) for file in files)
    return Job(models, counts, run, Path(tool), require_cpus(cpus), tuple(datasets), goldens or {})


def measure_phones(
    adb: Adb, job: Job, *, serials: Sequence[str] = (), on_step: Step | None = None
) -> list[Outcome]:
    """Measure on every chosen phone at once; one phone's trouble does not touch the others.

    Interrupted, it ends what runs, cleans all phones up, and raises the interruption again.

    Raises:
        OptionError: The phones cannot be chosen.
        PhoneError: adb cannot be used.
    """
    devices = choose_devices(adb.devices(), serials)
    total = len(devices) * len(job.models) * len(job.threads)
    done: list[str] = []

    def step(note: str) -> None:
        done.append(note)
        if on_step is not None:
            on_step(len(done), total, note)

    with ThreadPoolExecutor(max_workers=len(devices)) as pool:
        futures = [
            pool.submit(_measure_phone, adb.on(device.serial), job, step) for device in devices
        ]
        try:
            wait(futures)
        except BaseException:
            adb.stop.set()
            raise
    return [future.result() for future in futures]


def _measure_phone(adb: Adb, job: Job, step: Callable[[str], None]) -> Outcome:
    results: list[PhoneLatency] = []
    quality: list[PhoneQuality] = []
    golden: list[PhoneGolden] = []
    serial = adb.serial or ""
    try:
        phone = read_phone(adb)
        with open_session(adb, choose_tool(job.tool, phone.abis), cpus=job.cpus) as session:
            if job.datasets or job.goldens:
                # Told before minutes of timing.
                require_pictures(session.tool)
            for index, model in enumerate(job.models):
                graph = session.push_bytes(model.data, f"model{index}.tflite")
                for threads in job.threads:
                    run = replace(job.run, threads=threads)
                    results.append(measure(session, model, run, phone=phone, graph=graph))
                    step(f"{phone.name} {model.name}")
                run = replace(job.run, threads=job.threads[0])
                quality += [
                    measure_quality_on_phone(session, model, dataset, run=run, graph=graph)
                    for dataset in job.datasets
                ]
                if model.name in job.goldens:
                    pair = job.goldens[model.name]
                    golden.append(
                        measure_golden_on_phone(session, model, pair, run=run, graph=graph)
                    )
    except SrError as error:
        return Outcome(serial, tuple(results), str(error), tuple(quality), tuple(golden))
    except Stopped:
        return Outcome(serial, tuple(results), "interrupted", tuple(quality), tuple(golden))
    return Outcome(serial, tuple(results), quality=tuple(quality), golden=tuple(golden))


def measure(
    session: Session, model: ModelFile, run: ToolRun, *, phone: Phone, graph: str
) -> PhoneLatency:
    """Run one file once with one set of options, and read everything that it left.

    Raises:
        PhoneError: The phone is gone, or the program failed.
        OptionError: The program cannot do what is asked.
        WireError: A file that the program wrote is cut, or cannot be.
    """
    before = read_thermal(session.adb)
    told = session.run(
        arguments(
            session.tool,
            run,
            graph=graph,
            profile_path=session.path("profile.csv"),
            results_path=session.path(RESULTS),
            info_path=session.path(RUNTIME_INFO),
            library_folder=session.folder,
            libraries=session.libraries,
        ),
        seconds=2 * run.seconds + SPARE_SECONDS,
    )
    after = read_thermal(session.adb)
    results = read_results(session.pull_written(RESULTS))
    info = read_runtime_info(session.pull_written(RUNTIME_INFO))
    output = parse_output(told)
    if results is not None:
        output = results.over(output)
    if output.inference is None:
        last = told.strip().splitlines()[-1][:200]
        raise OptionError(
            f"expected times from benchmark_model, found: {last}; give a newer benchmark_model"
        )
    # Both programs may also print the tables.
    text = session.pull_text("profile.csv") if run.profile else ""
    profile = parse_profile(text) or parse_profile(told)
    graph_of_file = read_graph(model)
    shapes = [graph_of_file.tensors[index].shape for index in graph_of_file.inputs]
    operators = len(graph_of_file.operators)
    placement = judge_placement(output, run.delegate, info, operators=operators)
    left = left_to_cpu(profile) if profile else None
    return PhoneLatency(
        model,
        shapes[0] if shapes else (),
        run,
        session.cpus,
        session.tool.kind,
        session.program,
        output,
        results,
        placement,
        left if placement.left is None else placement.left,
        profile,
        phone,
        before,
        after,
        _notices(phone, run, placement, before.state, after.state, bool(profile)),
    )


def _notices(
    phone: Phone,
    run: ToolRun,
    placement: PhonePlacement,
    before: str | None,
    after: str | None,
    profiled: bool,
) -> tuple[str, ...]:
    notices = list(phone.notices(run.delegate))
    if placement.fell_back and run.delegate != "xnnpack":
        notices.append(
            f"{run.delegate} took no node: the time is the CPU's (docs/phones.md says what a "
            "delegate needs)"
        )
    if run.delegate == "none" and placement.delegated_nodes:
        notices.append(
            f"{placement.name} took {placement.delegated_nodes} of {placement.total_nodes} nodes "
            "though no delegate was asked for"
        )
    warm = [state for state in (before, after) if state not in (None, "none")]
    if warm:
        notices.append(f"the phone throttles for heat ({warm[-1]}): let it cool and measure again")
    if run.profile:
        notices.append(
            "times were taken while operators were profiled, which makes them longer"
            if profiled
            else "this benchmark_model gave no times per operator"
        )
    return tuple(notices)
