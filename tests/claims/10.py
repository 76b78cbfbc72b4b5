"""What lesson 10 claims."""

CLAIMS = [
    ("on 729 places", "sizes['conv2'].output[0][1] * sizes['conv2'].output[0][2]"),
    ("conv2 has 256 kernels", "sizes['conv2'].output[0][0]"),
    ("fc6 has 4096 units", "sizes['fc6'].output[0][0]"),
    ("all $256 \\times 6 \\times 6$ numbers", "sizes['pool5'].output[0] == (256, 6, 6)"),
    ("60,965,224", "total"),
    ("3.8%", "100 * share"),
    ("91.9%", "100 * work_share"),
    ("has 1.45%", "shares['conv3']"),
    ("conv4 1.09%", "shares['conv4']"),
    ("$(224 - 11)/4 = 53.25$", "(224 - 11) / 4 == 53.25"),
    ("227", "227 if shapes.out_size(227, 11, stride=4) == 55 else 0"),
    ("On 224 pixels", "224 if shapes.out_size(224, 11, stride=4, ceil_mode=True) == 55 else 0"),
    ("$224 \\times 224 \\times 3$", "224 * 224 * 3 == 150_528"),
    ("Who rounds down on 224 by mistake", "widths == [54, 26, 12, 5]"),
    ("49,430,888", "total - lost"),
    ("should be 290,400", "sizes['conv1'].neurons"),
    ("sum is 659,272", "neurons"),
    ("253,440 is exactly $55 \\times 48 \\times 96$", "55 * 48 * 96 == printed[0] == 253_440"),
    ("to 224 pixels", "x.shape[2]"),
    ("not far from the $\\ln 1000$", "abs(loss - np.log(1000)) < 1"),
    ("698 and 710 MiB", "(round(learning), round(kept)) == (698, 710)"),
    ("batches of 128", "round(kept * mebibyte / summary.kept_bytes(layers, (3, 224, 224)))"),
]
QUOTED = [
    ("650,000 neurons", "Krizhevsky et al. (2012), abstract"),
    ('the "650,000" of', "Krizhevsky et al. (2012), abstract"),
    ("150,528-dimensional", "Krizhevsky et al. (2012), Section 3.5"),
    ("Puzzle 1: is it 224", "Krizhevsky et al. (2012), Section 3.5"),
    ("Puzzle 2: 253,440 neurons", "Krizhevsky et al. (2012), Figure 2"),
    ("two GPUs had 3 GB", "Krizhevsky et al. (2012), Section 3.2"),
]
