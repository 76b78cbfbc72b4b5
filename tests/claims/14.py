"""What lesson 14 claims."""

CLAIMS = [
    ("its 1728 inputs", "views[0].size"),
    ("In 256 pixels a patch of 224 has 33 places", "1 + 256 - 224 == 33"),
    ("$33 \\times 33 \\times 2 = 2178$", "(1 + 256 - 224) ** 2 * 2 == 2178"),
    ("2048, which is $32 \\times 32 \\times 2$", "32 * 32 * 2 == 2048"),
    ("unkind: 300 images", "len(few[0])"),
    ("17,290 parameters", "net.count_parameters(by_heart)"),
    ("its 300 images by heart", "len(few[0])"),
    ("next to nothing: 79% wrong", "100 * tested"),
    ("a terrible 60%", "100 * trained_2"),
    ("test error 74%", "100 * tested_2"),
    ("Ours gain, too", "ten < tested and ten_2 < tested_2"),
    ("with 91% of all", "100 * eigenvalues[0] / eigenvalues.sum()"),
    ("−0.5 would be the bright one", "changes[0].sum() < 0 < changes[2].sum() and -0.5"),
    ("red, green and blue about alike;", "np.abs(p[:, 0]).min() > 0.9 * np.abs(p[:, 0]).max()"),
    ("red against blue, sun", "p[0, 1] * p[2, 1] < 0 and abs(p[1, 1]) < 0.1"),
    ("and green against", "p[0, 2] * p[2, 2] > 0 > p[0, 2] * p[1, 2]"),
    ("makes 11 levels of", "(noise @ p[:, 0]).std()"),
    ("About 1,480 levels", "round(0.1 * imagenet**2, -1) == 1480"),
]
QUOTED = [
    ("1.2 million photographs", "Krizhevsky et al. (2012), Section 2"),
    ("from 39.0% to 37.5%", "Krizhevsky et al. (2012), Section 6, footnote 5"),
    ("a deviation of 0.1", "Krizhevsky et al. (2012), Section 4.1"),
    ("how many of 255", "pixels are bytes"),
    ("where 255 is white", "pixels are bytes"),
    ("an $\\alpha$ of −0.5, of 0 and of 0.5", "the code"),
    ("divides the image by 1.1", "the original code, convdata_jpeg.py"),
]
