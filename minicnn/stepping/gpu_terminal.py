"""The steps of a CUDA kernel as text: its warps, and what their accesses cost.

thread    █ runs this line   ▄ waits at a barrier   · has ended   ░ is elsewhere
"""

import sys
from itertools import groupby
from math import prod

from .terminal import BOLD, DIM, RED, has_colour, painter

SIGNS = {"R": "█", "W": "▄", "E": "·", ".": "░"}
MOST = 40  # steps in a text
PROMPT = "[Enter] next   [b] back   [r] run on   [q] quit   "


def text(data, most=MOST):
    """Return the first steps as text, and the fault if there is one."""
    places = list(all_steps(data))
    lines = [data["title"]]
    for number, step in places[:most]:
        lines += step_lines(data, number, step)
    if len(places) > most:
        lines.append(f"… and {len(places) - most:,} steps more")
    return "\n".join(lines)


def all_steps(data):
    """Yield (number of the block, step)."""
    for number, block in data["blocks"].items():
        for step in block["steps"]:
            yield number, step


def step_lines(data, number, step, colour=False):
    """Return the lines of one step."""
    paint, source = painter(colour), data["sources"][step["source"]]
    code = source["lines"][step["line"] - source["first"]].strip() if source["lines"] else "?"
    block = tuple(data["blocks"][number]["position"])
    where = f"block {block[0] if block[1:] == (0, 0) else block}"
    lines = [paint(DIM, f"{source['file']}:{step['line']}  {where}"), paint(BOLD, f"  → {code}")]
    rows = [step["state"][n : n + 32] for n in range(0, len(step["state"]), 32)]
    for state, alike in groupby(range(len(rows)), key=rows.__getitem__):
        first, *_, last = (*alike,) * 2
        label = f"warp {first}" if first == last else f"warps {first}–{last}"
        lines.append(f"    {label:12}{''.join(SIGNS[s] for s in state)}")
    lines += [f"    {waits(data, at, count)}" for at, count in step["waiting"].items()]
    lines += [f"    {sentence(data, access)}" for access in step["accesses"]]
    if step.get("fault"):
        lines.append(paint(RED, f"    ✗ {data['fault']['text']}"))
    return lines


def waits(data, line, count):
    return f"{count:,} of {prod(data['threads']):,} threads wait at the barrier of line {line}"


def sentence(data, access):
    """Return what an access is and what it costs."""
    array = data["arrays"][access["array"]]
    cost, least = (sum(warp[k] for warp in access["warps"]) for k in (1, 2))
    unit = "turn" if array["space"] == "shared" else "sector"
    verb = "write" if access["writing"] else "read"
    threads = len(access["lanes"])
    subject = f"{threads:,} threads {verb}" if threads > 1 else f"1 thread {verb}s"
    words = f"{subject} {array['name']}: {cost:,} {unit}{'s' * (cost > 1)}"
    return f"{words}, where {least:,} would do" if cost > least else words


def show(data, pause=input):
    """Walk through the steps; without `pause` nothing stops."""
    places, at, colour = list(all_steps(data)), 0, has_colour(sys.stdout)
    print(data["title"])
    while 0 <= at < len(places):
        if pause is None and at == MOST:
            print(f"… and {len(places) - MOST:,} steps more")
            return
        print("\n".join(step_lines(data, *places[at], colour)))
        answer = pause(PROMPT).strip().lower()[:1] if pause else ""
        if answer == "q":
            return
        if answer == "r":
            pause = None
        at = max(0, at - 1) if answer == "b" else at + 1
