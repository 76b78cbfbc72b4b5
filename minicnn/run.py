"""What a run knows of itself: its position, its history, and the folder it keeps them in.

    epoch, step    its position: whole epochs done, and steps done in the epoch after
    steps          how many steps an epoch has
    order          the images of this epoch, in the order in which they come
    losses         one number a step, from the first on: the mean loss of the batch, in nats
    wrongs         one number a step: wrong answers in the batch
    images         one number a step: images in the batch
    seconds        how long it has run; of these, `waited` were spent waiting for batches
    history        one dict an epoch: what end_epoch counts

In its folder, if it has one, a run keeps two files: checkpoint.npz, with everything needed to go
on, and history.jsonl, the history as one line of JSON an epoch.
"""

import json
import pathlib
import time

import numpy as np

from . import checkpoint, net

BY_HAND = ("schedule",)  # settings that may change from one start to the next, as ε may


class Run:
    """One training run; train.train makes it, moves it on and returns it.

    Parameters
    ----------
    layers : list of Layer
    rng : numpy Generator
        The one from which the run draws; its state is saved, too.
    epsilon : float
        The learning rate to begin with.
    folder : path, optional
        Where the files go; None keeps none.
    settings : dict, optional
        Plain values that describe the run; on resuming they must be the same, but for BY_HAND.
    inputs : dict of name → array, optional
        How images become the network's inputs; kept in the checkpoint for those who use it.
    """

    def __init__(self, layers, rng, epsilon, folder=None, settings=None, inputs=None):
        self.layers, self.rng = layers, rng
        self.first_epsilon = self.epsilon = epsilon
        self.settings, self.inputs = settings or {}, inputs or {}
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
        """Where the checkpoint is or will be; None if this run keeps no files."""
        return self.folder / "checkpoint.npz" if self.folder else None

    def begin(self):
        """Start the clock; a run that goes on has its seconds already."""
        self.saved_at = time.perf_counter()
        self.started = self.saved_at - self.seconds
        self.waited_before = self.waited

    def count(self, loss, wrong, images, waited=0.0):
        """Note one step; `waited`, the seconds of this epoch, since `begin`, without a batch."""
        self.step += 1
        self.waited = self.waited_before + waited
        self.losses.append(loss)
        self.wrongs.append(wrong)
        self.images.append(images)
        self.seconds = time.perf_counter() - self.started

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

        An epoch may end early, where a run reaches its goal: then its number is not whole.
        """
        before = self.history[-1]["seconds"] if self.history else 0.0
        images = sum(self.images[-self.step :])
        self.history.append(
            {
                "epoch": round(len(self.losses) / steps, 4),
                "step": len(self.losses),
                "loss": float(np.mean(self.losses[-steps:])),
                "training_error": self.training_error(steps),
                "validation_error": None,
                **errors,
                "epsilon": self.epsilon,
                "seconds": round(self.seconds, 3),
                "seconds_waited": round(self.waited, 3),
                "images_per_second": round(images / max(self.seconds - before, 1e-9), 1),
                "weights": self.sizes(),
            }
        )
        self.waited_before = self.waited
        self.write_history()

    def sizes(self):
        """Return {"conv1.w": [mean |w|, mean |v|], …}: how large the weights of each layer are, and
        the last step they took, w_{i+1} − w_i = v_{i+1}."""
        arrays = self.arrays()
        names = [name.removeprefix("w:") for name in arrays if name.startswith("w:")]
        return {
            name: [float(np.abs(arrays[f"{kind}:{name}"]).mean()) for kind in "wv"]
            for name in names
            if ".w" in name  # biases start at 0 or 1, and tell little
        }

    def write_history(self):
        """Write history.jsonl, if this run keeps files."""
        if self.folder:
            lines = "".join(json.dumps(line) + "\n" for line in self.history)
            checkpoint.write_text(self.folder / "history.jsonl", lines)

    def save(self):
        """Write the checkpoint, if this run keeps files."""
        self.saved_at = time.perf_counter()
        if not self.folder:
            return
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
            "history": self.history,
            "settings": self.settings,
        }
        checkpoint.save(self.path, arrays, facts)

    def load(self):
        """Go to where the run was when its checkpoint was written.

        Raises
        ------
        checkpoint.CheckpointError
            If it is damaged, or of a run with other settings or another network.
        """
        arrays, facts = checkpoint.load(self.path)
        for name in [*facts["settings"], *self.settings]:
            theirs, ours = facts["settings"].get(name), self.settings.get(name)
            if theirs != ours and name not in BY_HAND:
                raise checkpoint.CheckpointError(
                    f"{self.path} is of a run with {name} = {theirs}, this one has {ours}; "
                    "give the same options as before, or another folder"
                )
        kept = {name: arrays.pop(name) for name in ("order", "losses", "wrongs")}
        for name, ours in self.inputs.items():
            theirs = arrays.pop(f"input:{name}", ours)  # older checkpoints do not say
            if not np.array_equal(theirs, ours):
                raise checkpoint.CheckpointError(
                    f"{self.path} is of a run on other images: their {name} is another one; "
                    "give the same data as before, or another folder"
                )
        checkpoint.copy_into(self.arrays(), arrays, self.path)
        self.order, self.losses = kept["order"], kept["losses"].tolist()
        self.wrongs, self.images = kept["wrongs"].tolist(), facts["images"]
        self.epoch, self.step, self.seconds = facts["epoch"], facts["step"], facts["seconds"]
        self.waited = facts.get("waited", 0.0)  # a run of an earlier version does not say
        self.rng.bit_generator.state = facts["rng"]
        self.history = facts["history"]
        if self.first_epsilon == facts["first_epsilon"]:  # else ε was changed by hand
            self.epsilon = facts["epsilon"]  # as the schedule has left it
        self.write_history()

    def arrays(self):
        """Return all parameters and velocities by name, such as w:conv1.w and v:conv1.w.

        On the CPU they are the run's own, from a GPU copies.
        """
        velocity_rows = [
            layer._replace(params=self.velocities[layer.name]) for layer in self.layers
        ]
        weights = {f"w:{name}": w for name, w in net.parameters(self.layers).items()}
        velocities = {f"v:{name}": v for name, v in net.parameters(velocity_rows).items()}
        return {name: net.on_host(array) for name, array in (weights | velocities).items()}

    def to_device(self, ops):
        """Let parameters and velocities live where ops computes; load before this, not after."""
        net.to_device(self.layers, ops)
        for layer in self.layers:
            net.to_device([layer._replace(params=self.velocities[layer.name])], ops)


def zeros_like(w):
    """Return zeros for a parameter, or for a pair of them."""
    return tuple(np.zeros_like(half) for half in w) if isinstance(w, tuple) else np.zeros_like(w)
