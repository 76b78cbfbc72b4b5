"""What lesson 0 claims."""


def answer(photo):
    return "predictor.predict(network, np.ascontiguousarray(" + photo + ")[None])[0]"


GREY = "np.uint8([photo.mean(axis=0)] * 3)"
CLAIMS = [
    ("gives that 72%", "100 * p[2]"),
    ("a cat 21%", "100 * p[3]"),
    ("together they are 100%", "100 * p.sum()"),
    ("64 *maps* of 24×24", "arrays['conv1'].shape == (1, 64, 24, 24)"),
    ("sees five pixels across", "sees['conv1'] == 5"),
    (
        "half from `conv3` on. The windows of `conv4` and `conv5`, of 31 and 39 pixels",
        "sees['conv2'] < 12 < sees['conv3'] and (sees['conv4'], sees['conv5']) == (31, 39)",
    ),
    ("Two of 96", "changed == 2 and len(without) == 96"),
    ("1,209,130", "net.count_parameters(network.layers)"),
    ("14,858 times", "data.trained().history[-1]['step']"),
    ("each time so that 128", "round(38 * 50_000 / data.trained().history[-1]['step'])"),
    ("saw each 38 times", "len(data.trained().history)"),
    ("says cat, with 71%", f"100 * {answer('sample.test_x[5]')}[3]"),
    ("A dog", "sample.classes[sample.test_y[5]] == 'dog'"),
    ("It gets 15%", "100 * data.trained().errors['sample']"),
    ("with 96%: it", f"100 * {answer('photo[:, :, ::-1]')}[2]"),
    ("with 48%: it", f"100 * {answer(GREY)}[3]"),
]
QUOTED = [("50,000 of these", "CIFAR-10's training images")]
