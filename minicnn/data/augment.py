"""More images from those there are (Section 4.1), and the views of an image at test time.

    images   (N, C, H, W) uint8      whole images, 0 … 255: 256×256 for AlexNet, 32×32 for CIFAR-10
    mean     (C, H, W)               the mean image of the training set; (C, 1, 1), the mean colour,
                                     does as well, as in VGG
    size     s                       a view is s×s: 224 for AlexNet, 24 for CIFAR-10
    x        (N, C, s, s) float32    views, minus the mean: what the network sees

An image of 256×256 has 33·33 places for a patch of 224×224, and each patch its mirror image: 2,178
views.  (The paper says 2048 = 32·32·2.)

The mean is subtracted "from each pixel" (Section 2), so a view is a patch of image − mean, wherever
it lies.  The original code of 2012 takes the centre of the mean image away from every patch.  It
also draws one place and one flip for 32 images at a time; here each image has its own, as on
CIFAR-10 in that code.
"""

import numpy as np


def random_views(
    images, mean, size, rng, eigen=None, sigma=0.1, magnitude="eigenvalues", least=None
):
    """Return one random view of each image, for training.

    Parameters
    ----------
    images, mean, size
        See above.
    rng : numpy Generator
        Draws places, flips and colours.
    eigen : (eigenvalues, eigenvectors), optional
        Of the training set's colours, see moments.principal_components; with them, the colours
        change, too.
    sigma, magnitude
        Of these changes, see colour_noise.
    least : int, optional
        Rescale each image to a width drawn from `least` to its own before the patch is cut: the
        scale jitter of VGG, which has 256 to 512.

    Returns
    -------
    x : (N, C, s, s) float32
    """
    check(images, mean, size, least)
    N, _, H, W = images.shape
    if least is not None:
        x = rescaled_patches(images, mean, size, rng, least)
    else:
        tops = rng.integers(0, H - size, N, endpoint=True)
        lefts = rng.integers(0, W - size, N, endpoint=True)
        flips = rng.random(N) < 0.5
        x = patches(images, mean, size, tops, lefts, flips)
    if eigen is not None:
        x += colour_noise(*eigen, N, rng, sigma, magnitude)[:, :, None, None]
    return x


def patches(images, mean, size, tops, lefts, flips):
    """Return a patch of each image minus the mean, mirrored where flips says so.

    tops, lefts and flips have one entry an image: the patch's first row, its first column, and
    whether left and right change places.
    """
    mean = np.broadcast_to(np.asarray(mean, np.float32), images.shape[1:])
    x = np.empty((*images.shape[:2], size, size), np.float32)
    for n, (top, left, flip) in enumerate(zip(tops, lefts, flips, strict=True)):
        patch = np.s_[:, top : top + size, left : left + size]
        view = x[n, :, :, ::-1] if flip else x[n]
        np.subtract(images[n][patch], mean[patch], out=view)
    return x


def rescaled_patches(images, mean, size, rng, least):
    """Return a random patch of each image minus the mean, cut at a random scale, perhaps mirrored.

    An image of W pixels rescaled to a width of S, and then a patch of s×s cut from it, is a patch
    of s·W/S pixels cut from it and then rescaled to s×s (bilinear), which is less work.
    """
    from PIL import Image

    N, C, H, W = images.shape
    x = np.empty((N, C, size, size), np.float32)
    for n in range(N):
        width = size * W / rng.integers(least, W, endpoint=True)  # s·W/S
        top, left = rng.uniform(0, H - width), rng.uniform(0, W - width)
        box = (left, top, left + width, top + width)
        view = x[n, :, :, ::-1] if rng.random() < 0.5 else x[n]
        for c, channel in enumerate(np.subtract(images[n], mean, dtype=np.float32)):
            plane = Image.fromarray(channel)  # of floats
            view[c] = plane.resize((size, size), Image.Resampling.BILINEAR, box)
    return x


def rescaled(images, width):
    """Return square images (N, C, H, W), or one (C, H, W), at another width, bicubic.

    uint8 stays uint8, and float32 float32.  At their own width they are returned as they are.
    """
    from PIL import Image

    images = np.asarray(images)
    if images.shape[-1] == width:
        return images
    planes = images.reshape(-1, *images.shape[-2:])
    size, bicubic = (width, width), Image.Resampling.BICUBIC
    small = [np.asarray(Image.fromarray(plane).resize(size, bicubic)) for plane in planes]
    return np.array(small, images.dtype).reshape(*images.shape[:-2], width, width)


def colour_noise(eigenvalues, eigenvectors, N, rng, sigma=0.1, magnitude="eigenvalues"):
    """Return what to add to the red, green and blue of every pixel of each image: (N, 3) float32.

        [p1, p2, p3] · [α1 λ1, α2 λ2, α3 λ3]ᵀ        α ~ N(0, 0.1²), drawn anew for each image

    The formula needs a scale.  λ is a variance, so its number depends on the unit.  On 0 … 255 the
    largest is near 15,000 (121.78² in cuda-convnet2's file on ImageNet), and 0.1·15,000 = 1,500
    grey levels would wipe out any image.  On 0 … 1 it is 0.23, and 0.1·0.23 is 6 of 255 grey
    levels.  As the paper asks for "magnitudes proportional to the corresponding eigenvalues", they
    are taken here to be those of pixels on 0 … 1.  The original code has the square roots in place
    of λ, the standard deviations, which mean the same in every unit: 0.1·121.78 is 12 grey levels.
    It then divides the image by 1.1, which is left out here.

    Parameters
    ----------
    eigenvalues, eigenvectors : (3,), (3, 3)
        λ and, as columns, p, on the scale of 0 … 255.
    N : int
        The number of images.
    rng : numpy Generator
    sigma : float
        The standard deviation of α.
    magnitude : "eigenvalues" or "deviations"
        λ as in the paper, or √λ as in its code.
    """
    magnitudes = {
        "eigenvalues": np.asarray(eigenvalues) / 255,  # λ / 255² on 0 … 1, times 255
        "deviations": np.sqrt(eigenvalues),
    }
    if magnitude not in magnitudes:
        raise ValueError(
            f"colour_noise: magnitude is {magnitude!r}; expected 'eigenvalues' or 'deviations'"
        )
    alpha = rng.normal(0, sigma, (N, 3))
    noise = (alpha * magnitudes[magnitude]) @ np.transpose(eigenvectors)
    return noise.astype(np.float32)


def central_views(images, mean, size):
    """Return the central patch of each image, (N, C, s, s): one view for testing."""
    check(images, mean, size)
    top, left = (images.shape[2] - size) // 2, (images.shape[3] - size) // 2
    return same_patch(images, mean, size, top, left)


def ten_views(images, mean, size):
    """Yield ten times (N, C, s, s): the four corner patches, the central one, and their mirrors.

    At test time the network's answer is the mean of its ten softmax outputs (Section 4.1):

        sum(softmax(scores(x)) for x in ten_views(images, mean, 224)) / 10
    """
    bottom, right = images.shape[2] - size, images.shape[3] - size
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
    yield from views_at([*corners, (bottom // 2, right // 2)], images, mean, size)


def fifty_views(images, mean, size):
    """Yield fifty times (N, C, s, s): a regular grid of 5×5 patches, and their mirrors.

    That is VGG's multi-crop evaluation (Simonyan and Zisserman 2014, Section 3.2), at one scale.
    The grid reaches from edge to edge: in an image of 256 pixels, patches of 224 start at 0, 8, 16,
    24 and 32.
    """
    bottom, right = images.shape[2] - size, images.shape[3] - size
    places = [(i * bottom // 4, j * right // 4) for i in range(5) for j in range(5)]
    yield from views_at(places, images, mean, size)


def views_at(places, images, mean, size):
    """Yield a patch of each image at each place (top, left), and then their mirrors."""
    check(images, mean, size)
    for flip in (False, True):
        for top, left in places:
            yield same_patch(images, mean, size, top, left, flip)


def same_patch(images, mean, size, top, left, flip=False):
    """Return `patches` at one place."""
    N = len(images)
    return patches(images, mean, size, [top] * N, [left] * N, [flip] * N)


def check(images, mean, size, least=None):
    """Raise ValueError where images, mean, size and least do not fit together."""
    if len(images.shape) != 4:
        raise ValueError(f"images has shape {images.shape}; expected four axes (N, C, H, W)")
    _, C, H, W = images.shape
    if not 1 <= size <= min(H, W):
        raise ValueError(f"size is {size}; expected 1 … {min(H, W)} for images of {H}×{W} pixels")
    if np.shape(mean) not in ((C, H, W), (C, 1, 1)):
        raise ValueError(f"mean has shape {np.shape(mean)}; expected {(C, H, W)}, or {(C, 1, 1)}")
    if least is not None and not (size <= least <= W and H == W):
        raise ValueError(
            f"least is {least}; expected {size} … {W}, from the size of a patch to the width of "
            f"the images, and square images, not {H}×{W}"
        )
