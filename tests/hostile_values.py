"""What a hostile checkpoint file may have in the place of sensible values."""

DTYPES = (
    *("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL", "C64"),
    *("F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "F6_E3M2"),
    *("f32", "", "F1024", "F32\0", "\x1b[2J", "Q" * 5000, None, 3, ["F32"]),
)
INTEGERS = (0, 1, -1, 2, 7, 8, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**48, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30)
TEXTS = (
    "",
    " ",
    "a",
    "x" * 300,
    "..",
    "../../etc/passwd",
    "__metadata__",
    "\0",
    "\x1b]0;t\7",
    "\ud800",
    "é",
    "\u202e",
    "%s{0}",
)
JSON = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        10**400,
        2**63,
        "",
        "3",
        "multi-scale",
        "bilinear",
        [],
        {},
        [[]],
        [1, 2, 3],
    ),
    *(
        [4096] * 6,
        [1024] * 3,
        [10**9] * 3,
        [True] * 3,
        ["4"] * 3,
        [None] * 6,
        {"a": {"b": []}},
        "\x1b",
        "\ud800",
        "y" * 3000,
    ),
)
BROKEN_JSON = (
    "",
    "{",
    "}",
    "nul",
    "NaN",
    '{"a": NaN}',
    '{"a":1,"a":2}',
    "[]",
    "3",
    '"x"',
    "{'a': 1}",
    "\ufeff{}",
    "1" * 5000,
)
FORMATS = (
    "motion-deblur",
    "motion-deblur 2",
    "motion-deblur ²",
    "motion-deblur -1",
    "motion-deblur " + "9" * 5000,
    "pt",
    "",
)
VALUES = (float("nan"), float("inf"), float("-inf"), 3.4e38, 1e39, 1e308, -0.0)
