"""The state of a training run: its position, its history, and the folder that holds both.

    epoch, step    its position: whole epochs done, and steps done in the current epoch
    steps          the number of steps in an epoch
    order          the indices of the training images, in the order of this epoch
    losses         one number per step since the first: the mean loss of the batch, in nats
    wrongs         one number per step: the wrong answers in the batch
    images         one number per step: the images in the batch
    seconds        the time it has run, of which `waited` seconds went into waiting for batches
    history        one dict per epoch, see end_epoch

In its folder, if it has one, a run keeps two files: checkpoint.npz, with everything needed to
resume, and history.jsonl, the history with one line of JSON per epoch.
"""

import pathlib
import time

import numpy as np

from .. import net, storage
from ..errors import CheckpointError
from . import saved_run

HISTORY = storage.Kind("the history of a run", rb'\{"epoch": ')
BY_HAND = ("schedule",)  # settings that may change when a run is resumed, as ε may


class Run:
    """One training run; train.train makes it, updates it and returns it.

    Parameters
    ----------
    layers : list of Layer
    rng : numpy Generator
        The generator from which the run draws; its state is saved too.
    epsilon : float
        The learning rate to begin with.
    folder : path, optional
        Where the files go; None writes none.
    settings : dict, optional
        Plain values that describe the run; a resumed run must have the same, except BY_HAND.
    inputs : dict of name → array, optional
        How images become the network's inputs; the checkpoint keeps it for predictions.
    training_images, batch : int, optional
        The number of images in an epoch and in a step; a resumed run must have the same.

    Raises
    ------
    TypeError, ValueError
        If two layers have the same name, or a checkpoint cannot hold a setting or an input.
    """

    def __init__(
        self,
        layers,
        rng,
        epsilon,
        folder=None,
        *,
        settings=None,
        inputs=None,
        training_images=None,
        batch=None,
    ):
        net.check_names(layers)
        self.layers, self.rng = layers, rng
        self.first_epsilon = self.epsilon = epsilon
        self.settings, self.inputs = described(settings or {}), inputs or {}
        for name, array in self.inputs.items():
            storage.check_array(f"the input {name!r}", array)
        self.training_images, self.batch = training_images, batch
        self.folder = pathlib.Path(folder) if folder else None
        self.velocities = {
            layer.name: {name: zeros_like(w) for name, w in layer.params.items()}
            for layer in layers
        }
        self.epoch, self.step = 0, 0
        self.order = np.empty(0, np.int64)
        self.losses, self.wrongs, self.images = [], [], []
        self.history = []
        self.seconds = self.waited = 0.0
        self.begin()

    @property
    def path(self):
        """The path of the checkpoint, written or not; None if this run keeps no files."""
        return self.folder / "checkpoint.npz" if self.folder else None

    def begin(self):
        """Start the clock; a resumed run continues from its earlier seconds."""
        self.saved_at = time.perf_counter()
        self.started = self.saved_at - self.seconds
        self.waited_before = self.waited

    def count(self, loss, wrong, images, waited=0.0):
        """Record one step; `waited` is the seconds without a batch in this epoch, since `begin`."""
        self.step += 1
        self.waited = self.waited_before + waited
        self.losses.append(loss)
        self.wrongs.append(wrong)
        self.images.append(images)
        self.seconds = time.perf_counter() - self.started

    def loss(self, steps):
        """Return the mean loss of the images, in nats, over the last epoch's worth of steps."""
        return float(np.average(self.losses[-steps:], weights=self.images[-steps:]))

    def training_error(self, steps):
        """Return the share of wrong answers over the last epoch's worth of steps."""
        return sum(self.wrongs[-steps:]) / sum(self.images[-steps:])

    def reached(self, until, steps):
        """Return whether a whole epoch is done and the training error is at most `until`."""
        if until is None or len(self.losses) < steps:
            return False
        return self.training_error(steps) <= until

    def end_epoch(self, steps, errors):
        """Add a line to the history, with these validation errors (a dict), and write it.

        An epoch ends early if the run reaches its goal; then its number is not whole.
        """
        before = self.history[-1] if self.history else {"seconds": 0.0, "step": 0}
        images, seconds = sum(self.images[before["step"] :]), self.seconds - before["seconds"]
        self.history.append(
            {
                "epoch": round(len(self.losses) / steps, 4),
                "step": len(self.losses),
                "loss": self.loss(steps),
                "training_error": self.training_error(steps),
                "validation_error": None,
                **errors,
                "epsilon": self.epsilon,
                "seconds": round(self.seconds, 3),
                "seconds_waited": round(self.waited, 3),
                "images_per_second": round(images / max(seconds, 1e-9), 1),
                "weights": self.sizes(),
            }
        )
        self.waited_before = self.waited
        self.write_history()

    def sizes(self):
        """Return {"conv1.w": [mean |w|, mean |v|], …}: the size of each layer's weights, and of
        their last step, w_{i+1} − w_i = v_{i+1}; None for a mean that overflows."""
        arrays = self.arrays()
        names = [name.removeprefix("w:") for name in arrays if name.startswith("w:")]
        return {
            name: [mean_size(arrays[f"{kind}:{name}"]) for kind in "wv"]
            for name in names
            if ".w" in name  # biases start at 0 or 1 and show little
        }

    def write_history(self):
        """Write history.jsonl, if this run keeps files."""
        if self.folder:
            storage.write_lines(self.folder / "history.jsonl", self.history)

    def save(self):
        """Write the checkpoint, if this run keeps files."""
        self.saved_at = time.perf_counter()
        if self.folder:
            storage.save(self.path, *self.state())

    def state(self):
        """Return the arrays and facts that a checkpoint holds."""
        arrays = self.arrays()
        arrays |= {
            "order": self.order,
            "losses": np.array(self.losses),
            "wrongs": np.array(self.wrongs, int),
        }
        arrays |= {f"input:{name}": array for name, array in self.inputs.items()}
        facts = {
            "epoch": self.epoch,
            "step": self.step,
            "images": self.images,
            "epsilon": self.epsilon,
            "first_epsilon": self.first_epsilon,
            "seconds": self.seconds,
            "waited": self.waited,
            "rng": self.rng.bit_generator.state,
            "rngs_of_layers": [rng.bit_generator.state for rng in self.rngs()[1:]],
            "training_images": self.training_images,
            "batch": self.batch,
            "history": self.history,
            "settings": self.settings,
        }
        return arrays, facts

    def load(self):
        """Restore the state that the checkpoint holds.

        Raises
        ------
        errors.CheckpointError
            If it is damaged, or belongs to a run with other settings, other images or another
            network; then nothing has changed.
        """
        arrays, facts = saved_run.load(self.path)
        for name in [*facts["settings"], *self.settings]:
            theirs, ours = facts["settings"].get(name), self.settings.get(name)
            if theirs != ours and name not in BY_HAND:
                raise CheckpointError(
                    f"{self.path} belongs to a run with {name} = {storage.shortened(theirs)}, "
                    f"this one has {storage.shortened(ours)}; "
                    "give the same options as before, or another folder"
                )
        self.check_epoch(facts, len(arrays["order"]))
        for name, theirs in arrays.items():  # earlier versions kept no inputs
            kind, _, name = name.partition(":")
            if kind == "input" and not np.array_equal(theirs, self.inputs.get(name)):
                raise CheckpointError(
                    f"{self.path} belongs to a run on other images, whose {name} differs; "
                    "give the same data as before, or another folder"
                )
        self.restore(arrays, facts)
        self.write_history()

    def restore(self, arrays, facts):
        """Take on a state: of a checkpoint, or of another rank's run."""
        rngs, states = self.rngs(), [facts["rng"], *facts.get("rngs_of_layers", [])]
        if "rngs_of_layers" not in facts:  # an earlier version saved only the run's own
            rngs = rngs[:1]
        self.check_rngs(rngs, states)
        steps = {name: arrays[name] for name in ("order", "losses", "wrongs")}
        weights = {n: a for n, a in arrays.items() if n not in steps and n[:6] != "input:"}
        storage.copy_into(self.arrays(), weights, self.path)
        for rng, state in zip(rngs, states, strict=True):
            rng.bit_generator.state = state
        self.order, self.losses = steps["order"], steps["losses"].tolist()
        self.wrongs, self.images = steps["wrongs"].tolist(), facts["images"]
        self.epoch, self.step, self.seconds = facts["epoch"], facts["step"], facts["seconds"]
        self.waited = facts.get("waited", 0.0)  # an earlier version did not save it
        self.history = facts["history"]
        if self.first_epsilon == facts["first_epsilon"]:  # else ε was changed by hand
            self.epsilon = facts["epsilon"]  # as the schedule left it

    def check_epoch(self, facts, ordered):
        """Raise CheckpointError if the checkpoint's epochs have other images or other batches.

        A checkpoint of an earlier version does not say how many images there were.  But its order
        has `ordered` of them, and its largest batch was a full one.
        """
        images, batch, ours = facts.get("training_images"), facts.get("batch"), self.batch
        if images is None and ordered:
            images, batch = ordered, max(facts["images"], default=0)
            ours = ours and min(ours, ordered)  # no batch is larger than an epoch
        if images and self.training_images not in (None, images):
            raise CheckpointError(
                f"{self.path} belongs to a run on {images} images, this one has "
                f"{self.training_images}; give the same data as before, or another folder"
            )
        if batch and ours not in (None, batch):
            raise CheckpointError(
                f"{self.path} belongs to a run with batches of {batch} images, this one has "
                f"batches of {self.batch}; give the same batch as before, or another folder"
            )

    def check_rngs(self, rngs, states):
        """Raise CheckpointError if the generators cannot take on the saved states."""
        if len(states) != len(rngs):
            raise CheckpointError(
                f"{self.path} belongs to a run that draws from {len(states)} generators, this one "
                f"from {len(rngs)}; build the network with the same rng as before, or take "
                "another folder"
            )
        for rng, state in zip(rngs, states, strict=True):
            ours, theirs = type(rng.bit_generator).__name__, state["bit_generator"]
            if ours != theirs:
                raise CheckpointError(
                    f"{self.path} belongs to a run whose rng is a {theirs}, this one's is a "
                    f"{ours}; give np.random.Generator(np.random.{theirs}()), or another folder"
                )
            if not saved_run.takes(rng, state):
                raise CheckpointError(
                    f"{self.path} is damaged: its random state is not one of {ours}; use an older "
                    "checkpoint, or start the run again"
                )

    def rngs(self):
        """Return the generators that the run draws from: its own, then other ones of layers.

        Dropout draws from the run's own if the network was built with it.
        """
        rngs = [self.rng, *(layer.options.get("rng") for layer in self.layers)]
        rngs = [rng for rng in rngs if isinstance(rng, np.random.Generator)]
        return list({id(rng.bit_generator): rng for rng in rngs}.values())  # each once

    def arrays(self):
        """Return all parameters and velocities by name, such as w:conv1.w and v:conv1.w.

        On the CPU these are the run's own arrays; from a GPU they are copies.
        """
        velocity_layers = [
            layer._replace(params=self.velocities[layer.name]) for layer in self.layers
        ]
        weights = {f"w:{name}": w for name, w in net.parameters(self.layers).items()}
        velocities = {f"v:{name}": v for name, v in net.parameters(velocity_layers).items()}
        return {name: net.on_host(array) for name, array in (weights | velocities).items()}

    def to_device(self, ops):
        """Move parameters and velocities to where ops computes; load a checkpoint before this."""
        net.to_device(self.layers, ops)
        for layer in self.layers:
            net.to_device([layer._replace(params=self.velocities[layer.name])], ops)


def described(settings):
    """Return settings as a checkpoint will return them; raise TypeError if a name is no text."""
    for name in settings:
        if not isinstance(name, str):
            raise TypeError(f"settings: the name {name!r} is a {type(name).__name__}, not a text")
    return {name: storage.plain(f"the setting {name}", settings[name]) for name in settings}


def mean_size(array):
    """Return the mean of |array|, or None if it is too large for the type of the array."""
    with np.errstate(over="ignore"):
        mean = float(np.abs(array).mean())
    return mean if np.isfinite(mean) else None


def zeros_like(w):
    """Return zeros in the shape of a parameter, or of a pair of them."""
    return (
        tuple(np.zeros_like(column) for column in w) if isinstance(w, tuple) else np.zeros_like(w)
    )
