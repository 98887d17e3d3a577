"""Whether a file may be handed over, and if not, who is to blame."""

from __future__ import annotations

from export.fidelity import Fidelity
from export.held_out_drop import HeldOutDrop
from export.inspecting.audit import Audit, missing_ranges
from export.settings import ExportSettings
from representative_data.dataset import RepresentativeDataset
from sr_models.int8.ranges import TensorRanges


def find_failures(
    content: bytes,
    *,
    audit: Audit,
    fidelity: Fidelity,
    settings: ExportSettings,
    dataset: RepresentativeDataset,
    ranges: TensorRanges | None,
    drop: HeldOutDrop | None = None,
) -> list[str]:
    """Why a file must not be handed over; empty for a good one."""
    failures = []
    if settings.precision != "float32":
        allowed = 2 if settings.io == "float32" else 0
        if audit.float_tensors > allowed and not settings.may_hold_floats:
            failures.append(f"{audit.float_tensors} tensors are float, expected {allowed}")
        if settings.io in ("uint8", "int8"):
            failures += [
                f"pixel contract: {reason}{_culprit(reason, dataset)}"
                for reason in audit.pixel_contract.reasons
            ]
        is_int8 = settings.precision == "int8"
        if is_int8 and ranges is not None and (missing := missing_ranges(content, ranges)):
            failures.append(f"the converter did not take over the ranges of {', '.join(missing)}")
    if settings.tail != "clip" and audit.clip_ops:
        names = ", ".join(f"{op['op']} (operator {op['index']})" for op in audit.clip_ops)
        failures.append(f"clip operators are left: {names}")
    if not fidelity.psnr_db >= settings.minimum_fidelity_db:
        failures.append(
            f"fidelity to the float network is {fidelity.psnr_db:.2f} dB, expected at least "
            f"{settings.minimum_fidelity_db:g} dB"
        )
    if drop is not None and not drop.worst_db <= settings.max_drop_db:
        failures.append(
            f"PSNR drops by {drop.worst_db:.3f} dB on pictures held out, expected at most "
            f"{settings.max_drop_db:g} dB"
        )
    return failures


def _culprit(reason: str, dataset: RepresentativeDataset) -> str:
    """The calibration picture behind a broken contract, where one can be named."""
    used = [record for record in dataset.records if record.status != "dropped"]
    if reason.startswith("output scale"):
        worst = max(used, key=lambda record: record.output_after[1])
        return f" (calibration picture {worst.source} reaches {worst.output_after[1]:.4f})"
    if reason.startswith("output zero"):
        worst = min(used, key=lambda record: record.output_after[0])
        return f" (calibration picture {worst.source} reaches {worst.output_after[0]:.4f})"
    if reason.startswith("input scale"):
        low, high = dataset.input_range
        return f" (the calibration pictures span {low:.4f}..{high:.4f})"
    return ""
