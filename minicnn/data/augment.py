"""Data augmentation (Section 4.1): random views for training, and fixed views for testing.

    images   (N, C, H, W) uint8      whole images, 0 … 255: 256×256 for AlexNet, 32×32 for CIFAR-10
    mean     (C, H, W)               the mean image of the training set; or (C, 1, 1), the mean
                                     colour, as in VGG
    size     s                       a view is s×s: 224 for AlexNet, 24 for CIFAR-10
    x        (N, C, s, s) float32    views, minus the mean: what the network sees

A 224×224 patch fits into a 256×256 image at 33·33 positions, and each patch has a mirror image:
2,178 views.  (The paper says 2048 = 32·32·2.)

The paper subtracts the mean "from each pixel" (Section 2), so a view is a patch of image − mean,
wherever it lies.  The original code of 2012 subtracts the centre of the mean image from every
patch.  It also draws one position and one flip for 32 images at a time; here each image has its
own, as in that code's CIFAR-10 setup.
"""

import numpy as np

from ..checks import MOST, check_between, check_rng, check_whole


def random_views(
    images, mean, size, rng, eigen=None, sigma=0.1, magnitude="eigenvalues", least=None
):
    """Return one random view of each image, for training.

    Parameters
    ----------
    images, mean, size
        See above.
    rng : numpy Generator
        Draws positions, flips and colours.
    eigen : (eigenvalues, eigenvectors), optional
        Of the training set's colours, see moments.principal_components.  If given, colours vary
        as well.
    sigma, magnitude
        The strength of that variation, see colour_noise.
    least : int, optional
        Before cutting the patch, rescale each image to a random width between `least` and its own:
        VGG's scale jitter, with widths of 256 to 512.

    Returns
    -------
    x : (N, C, s, s) float32
    """
    check(images, mean, size, least)
    check_rng("random_views", rng)
    N, _, H, W = images.shape
    if least is not None:
        x = rescaled_patches(images, mean, size, rng, least)
    else:
        tops = rng.integers(0, H - size, N, endpoint=True)
        lefts = rng.integers(0, W - size, N, endpoint=True)
        flips = rng.random(N) < 0.5
        x = patches(images, mean, size, tops, lefts, flips)
    if eigen is not None:
        if not isinstance(eigen, tuple | list) or len(eigen) != 2:
            raise TypeError("random_views: eigen should be (eigenvalues, eigenvectors)")
        x += colour_noise(*eigen, N, rng, sigma, magnitude)[:, :, None, None]
    return x


def patches(images, mean, size, tops, lefts, flips):
    """Return a patch of each image minus the mean, mirrored where `flips` is true.

    tops, lefts and flips have one entry per image: the patch's first row, its first column, and
    whether to swap left and right.
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

    Rescaling an image of width W to width S and then cutting an s×s patch is the same as cutting a
    patch of width s·W/S and rescaling it to s×s (bilinear).  The second way is less work.
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
    """Return square images (N, C, H, W), or a single one (C, H, W), rescaled to `width` (bicubic).

    The dtype, uint8 or float32, stays.  Images that already have this width are returned unchanged.
    """
    from PIL import Image

    images, width = np.asarray(images), check_whole("rescaled", "width", width, 1)
    if images.ndim < 3:
        raise ValueError(f"rescaled: images has shape {images.shape}; expected (N, C, H, W)")
    if images.shape[-1] == width:
        return images
    planes = images.reshape(-1, *images.shape[-2:])
    size, bicubic = (width, width), Image.Resampling.BICUBIC
    small = [np.asarray(Image.fromarray(plane).resize(size, bicubic)) for plane in planes]
    return np.array(small, images.dtype).reshape(*images.shape[:-2], width, width)


def colour_noise(eigenvalues, eigenvectors, N, rng, sigma=0.1, magnitude="eigenvalues"):
    """Return the offsets to add to each image's red, green and blue: (N, 3) float32.

        [p1, p2, p3] · [α1 λ1, α2 λ2, α3 λ3]ᵀ        α ~ N(0, 0.1²), drawn anew for each image

    The formula needs a scale.  λ is a variance, so its value depends on the unit.  On 0 … 255 the
    largest is near 15,000 (121.78² in cuda-convnet2's file on ImageNet), and 0.1·15,000 = 1,500
    grey levels would wipe out any image.  On 0 … 1 it is 0.23, and 0.1·0.23 is 6 of 255 grey
    levels.  The paper asks for "magnitudes proportional to the corresponding eigenvalues"; this
    function takes the eigenvalues of pixels on 0 … 1.  The original code uses √λ instead, the
    standard deviations, which mean the same in every unit: 0.1·121.78 is 12 grey levels.  It then
    divides the image by 1.1, which this function leaves out.

    Parameters
    ----------
    eigenvalues, eigenvectors : (3,), (3, 3)
        λ, and the p as columns, on the scale of 0 … 255.
    N : int
        The number of images.
    rng : numpy Generator
    sigma : float
        The standard deviation of α.
    magnitude : "eigenvalues" or "deviations"
        λ as in the paper, or √λ as in its code.
    """
    N, sigma = check_whole("colour_noise", "N", N, 0), check_between("colour_noise", "sigma", sigma)
    check_rng("colour_noise", rng)
    for name, array, shape in (
        ("eigenvalues", eigenvalues, (3,)),
        ("eigenvectors", eigenvectors, (3, 3)),
    ):
        if np.shape(array) != shape or not np.isfinite(array).all():
            raise ValueError(f"colour_noise: {name} should be finite numbers {shape}")
    magnitudes = {
        "eigenvalues": np.asarray(eigenvalues) / 255,  # λ / 255² on 0 … 1, times 255
        "deviations": np.sqrt(eigenvalues),
    }
    if magnitude not in list(magnitudes):  # a list: the value may not be hashable
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
    """Yield ten arrays (N, C, s, s): the four corner patches, the central one, and their mirrors.

    At test time the network's prediction is the mean of its ten softmax outputs (Section 4.1):

        sum(softmax(scores(x)) for x in ten_views(images, mean, 224)) / 10
    """
    check(images, mean, size)
    bottom, right = images.shape[2] - size, images.shape[3] - size
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
    yield from views_at([*corners, (bottom // 2, right // 2)], images, mean, size)


def fifty_views(images, mean, size):
    """Yield fifty arrays (N, C, s, s): a regular grid of 5×5 patches, and their mirrors.

    This is VGG's multi-crop evaluation (Simonyan and Zisserman 2014, Section 3.2), at one scale.
    The grid spans the image from edge to edge: in 256 pixels, patches of 224 start at 0, 8, 16, 24
    and 32.
    """
    check(images, mean, size)
    bottom, right = images.shape[2] - size, images.shape[3] - size
    positions = [(i * bottom // 4, j * right // 4) for i in range(5) for j in range(5)]
    yield from views_at(positions, images, mean, size)


def views_at(positions, images, mean, size):
    """Yield a patch of each image at each position (top, left), and then all their mirrors."""
    for flip in (False, True):
        for top, left in positions:
            yield same_patch(images, mean, size, top, left, flip)


def same_patch(images, mean, size, top, left, flip=False):
    """Return a patch of each image minus the mean, at the same position in all of them."""
    N = len(images)
    return patches(images, mean, size, [top] * N, [left] * N, [flip] * N)


def check(images, mean, size, least=None):
    """Raise TypeError or ValueError where images, mean, size and least do not fit together."""
    if not hasattr(images, "shape"):
        raise TypeError(f"images is a {type(images).__name__}; expected an array (N, C, H, W)")
    for name, value in (("size", size), ("least", size if least is None else least)):
        check_whole("views", name, value, -MOST)
    if len(images.shape) != 4:
        raise ValueError(f"images has shape {images.shape}; expected four axes (N, C, H, W)")
    _, C, H, W = images.shape
    if not 1 <= size <= min(H, W):
        raise ValueError(f"size is {size}; expected 1 … {min(H, W)} for images of {H}×{W} pixels")
    if np.shape(mean) not in ((C, H, W), (C, 1, 1)):
        raise ValueError(f"mean has shape {np.shape(mean)}; expected {(C, H, W)}, or {(C, 1, 1)}")
    if least is not None and not (size <= least <= W and H == W):
        raise ValueError(
            f"least is {least}; expected {size} … {W}, between patch size and image width, "
            f"and square images, not {H}×{W}"
        )
