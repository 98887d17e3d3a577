from runtime_bench.evidence.methods_report import (
    TRAINED,
    MethodResult,
    method_rows,
    methods_page,
    quality_lines,
    text_rows,
)

ROWS = [
    MethodResult("float", None, None, True, {"Set5": 33.004}),
    MethodResult(
        "minmax",
        8,
        256,
        False,
        {"Set5": 32.9},
        seconds=2.04,
        exported_as="natural",
        exported_db={"Set5": 32.8},
        size_bytes=40_123,
        median_ms=1.5,
    ),
    MethodResult("minmax", 4, 16, False, {"Set5": 30.0}, seconds=4.0),
    MethodResult(TRAINED, 8, 255, True, {"Set5": 32.95}, seconds=306.0),
]


def test_simulated_and_exported_stand_in_columns_of_their_own():
    columns, cells = method_rows(ROWS)
    row = dict(zip(columns, cells[1]))
    assert row["simulated Set5 dB"] == 32.9 and row["INT8 Set5 dB"] == 32.8
    assert (row["exported as"], row["ground truth"]) == ("natural", "no")
    assert (row["size kB"], row["ms"], row["seconds"]) == (40.1, 1.5, 2.0)
    simulated = dict(zip(columns, cells[2]))
    assert simulated["INT8 Set5 dB"] is None and simulated["exported as"] is None
    _, text = text_rows(ROWS)
    assert text[2][columns.index("INT8 Set5 dB")] == "-"


def test_lines_rise_in_bits_and_leave_the_float_network_out():
    assert quality_lines(ROWS, "Set5") == {
        "minmax": [(4, 30.0), (8, 32.9)],
        TRAINED: [(8, 32.95)],
    }


def test_the_page_holds_table_plot_and_ratios():
    html = methods_page("xlsr_x3", ROWS, scale=3, machine={"cpu": "test"}).html()
    assert "Quantization methods: xlsr_x3" in html
    assert "minmax@8" in html and "150" in html
    assert "PSNR by bits: minmax 30.00 dB at 4, 32.90 dB at 8" in html
    assert html.count("data:image/svg+xml") == 1
