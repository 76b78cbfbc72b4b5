"""What lesson 19 claims."""

LAST = "steps.data['blocks']['1']['steps'][-1]['state']"

CLAIMS = [
    ("how can one copy of the same numbers be eight", "own.count.loaded == 8 * dealt.count.loaded"),
    ("In block 1 only 8 threads", f"({LAST}.count('R'), {LAST}.count('.')) == (8, 24)"),
    ("copy 256 numbers", "x.size"),
    ("times: 256,", "own.count.loaded"),
    ("32, each sector once", "dealt.count.loaded"),
    ("128 and 1,024.", "(against.count.loaded, against.count.stored) == (128, 1024)"),
    ("all 1,024 have come", "tiled.data['threads'] == [32, 32, 1]"),
    ("128 and 128.", "(tiled.count.loaded, tiled.count.stored) == (128, 128)"),
    ("which takes 32 turns", "tiled.count.turns == 32 * 1 + 32 * 32"),
    ("four unused columns", "__import__('minicnn.cuda.tiles').cuda.tiles.LINE_PADDING == 4"),
    (
        "Thread (1, 0), column 1 of row 0, reads",
        "hasty.fault.startswith('race: ') and ', thread (1, 0, 0): ' in hasty.fault",
    ),
    ("what thread (0, 1) wrote, in another warp", "hasty.data['fault']['other'] == 32"),
    ("512 wait in vain", "16 * 32"),
]
