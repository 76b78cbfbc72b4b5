// The stepper's page: source on the left, the arrays of the current line on the right.
//
// Each <div class="minicnn-step"> holds its data as deflated JSON (see page.py), and plain text that
// is shown until the data has been read.  A shadow root then keeps styles from leaking in or out.
// The page uses no network and no library.  arrays.js draws the arrays; frame.js has what pages share.
//
//   step       {number, frame, line, turn, changed, before, …}
//   turn       an iteration of a loop
//   visible    the steps that → and ← visit: of one frame, in the first two iterations of each loop
//              and in picked ones
//   passed     a step that teaches nothing, such as a check: → and ← pass over it
//   latest     the value of a variable after a step
//   missing    {loop, number, now}: an iteration that the reader chose and the page lacks

const HINT =
  "→ or a swipe goes to the next line, past the dim ones, which a click visits. " +
  "Point at a number to see its index, and where it came from.";

function stepper(data, root) {
  let now = data.start,
    picked = {},
    missing = null;
  const pathOf = (step) => {
    const path = [];
    for (let turn = step.turn; turn !== null; turn = data.turns[turn][2])
      path.unshift(data.turns[turn]);
    return path; // [loop, number, parent], outermost first
  };
  const isArray = (id) => typeof data.values[id] === "object";
  const note = (text) => element("p", { class: "note" }, text);
  const within = (step) => pathOf(step).filter(([loop]) => data.loops[loop].frame === step.frame);
  const isShown = ([loop, number]) =>
    number <= SHOWN || data.loops[loop].layers || picked[loop] === number;
  const visible = (frame) =>
    data.steps.filter((s) => s.frame === frame && (s.error || within(s).every(isShown)));

  /** Return the visible steps without those that are passed over; `step` itself stays. */
  const visited = (step) =>
    visible(step.frame).filter((s) => !s.passed || s.error || s.number === step.number);

  const { code, stage, both, trail, turns, count, voice, button, bar, header, body, ...page } = skeleton(
    root,
    "arrow keys go from line to line",
    data.title,
    "line",
    (key) => go(key),
  );
  const touched = element("span"),
    most = element("span", { class: "most", "aria-hidden": "true" }), // reserves the space of the longest text
    touch = element("p", { class: "note touch", role: "status" }, touched, most);
  const absent = element("p", { class: "absent", role: "status" });
  const calls = element("span", { class: "calls" });
  bar.append(calls);
  header.append(absent, ...(data.failure ? [element("p", { class: "error" }, data.failure)] : []));

  /** Return the value of a variable after this step, or null. */
  function latest(step, name, from = step.number) {
    for (let n = from; n >= 0; n--) {
      const other = data.steps[n];
      if (other.frame !== step.frame) continue;
      if (name in other.changed) return other.changed[name];
      if (name in other.before) return other.before[name];
    }
    return data.frames[step.frame].arguments[name] ?? null;
  }

  function go(key) {
    const step = data.steps[now],
      list = key === "s" ? visible(step.frame) : visited(step),
      at = list.indexOf(step);
    const child = data.frames.findIndex((f) => f.parent === now),
      parent = data.frames[step.frame].parent;
    if (key === "Home") now = list[0].number;
    else if (key === "End") now = list[list.length - 1].number;
    else if (key === "ArrowLeft") {
      if (at > 0) now = list[at - 1].number;
      else if (parent !== null) now = parent;
    } else if (key === "ArrowRight" || key === "s") {
      if (at + 1 < list.length) now = list[at + 1].number;
      else if (parent !== null) {
        // at the end of the call: go on in the caller
        now = parent;
        const up = visited(data.steps[now]),
          after = up.indexOf(data.steps[now]) + 1;
        if (after < up.length) now = up[after].number;
      }
    } else if (key === "Enter" && child >= 0) now = visible(child)[0].number;
    else if (key === "Escape" && parent !== null) now = parent;
    else return false;
    render();
    return true;
  }

  /** Go to an iteration of a loop; if the page lacks it, say how to get it. */
  function choose(loop, number) {
    const first = data.steps.find((s) => pathOf(s).some(([l, n]) => l === loop && n === number));
    missing = first ? null : { loop, number, now };
    if (first) reach(first.number);
    render();
  }

  /** Go to a step, and pick the iterations that it is in. */
  function reach(number) {
    now = number;
    for (const [loop, turn] of pathOf(data.steps[now])) picked[loop] = turn;
  }

  function render() {
    const step = data.steps[now],
      frame = data.frames[step.frame],
      source = data.sources[frame.source];
    const list = visited(step);
    count.textContent = `${list.indexOf(step) + 1} of ${list.length}`;
    trail.replaceChildren(...crumbs(step));
    calls.replaceChildren(
      ...data.frames.flatMap((f, n) =>
        f.parent !== now
          ? []
          : [
              button(`open ${data.sources[f.source].name}`, "step into the call (Enter)", () => {
                now = visible(n)[0].number;
                render();
              }),
            ],
      ),
    );
    if (frame.parent !== null)
      calls.append(button("close", "back to the caller (Esc)", () => go("Escape")));
    if (missing?.now !== now) missing = null;
    showTurns(step);
    showCode(step, source);
    showStage(step, frame);
    both.style.minHeight = `${both.offsetHeight}px`; // what is below may move down, never up
    voice.textContent = `line ${step.line}: ${source.lines[step.line - source.first].trim()}`;
  }

  function crumbs(step) {
    const names = [];
    for (let s = step; s; s = data.steps[data.frames[s.frame].parent]) {
      const source = data.sources[data.frames[s.frame].source],
        n = s.number,
        layer = within(s)
          .map(([loop]) => data.loops[loop].layers?.[within(s)[0][1] - 1])
          .find(Boolean);
      if (layer && s !== step) names.unshift(` ${layer} › `);
      names.unshift(
        s === step
          ? element("strong", {}, source.name)
          : element(
              "button",
              {
                type: "button",
                onclick: () => {
                  now = n;
                  render();
                },
              },
              source.name,
            ),
        s === step ? "" : " › ",
      );
    }
    const source = data.sources[data.frames[step.frame].source];
    return [...names, element("span", { class: "file" }, `${source.file}:${step.line}`)];
  }

  /** Return the loops that a step is in or ends, outermost first: [loop, iteration]. */
  function loopsOf(step) {
    const path = pathOf(step).map(([loop, number]) => [loop, number]);
    return step.after ? [...path, [step.after[1], step.after[0]]] : path;
  }

  /** Show a slider for each loop of this call; one that is being dragged must not be replaced. */
  function showTurns(step) {
    const path = loopsOf(step).filter(([loop]) => data.loops[loop].frame === step.frame);
    if (missing) path[path.findIndex(([loop]) => loop === missing.loop)][1] = missing.number;
    while (turns.children.length > path.length) turns.lastChild.remove();
    path.forEach(([loop, number], n) => {
      let label = turns.children[n];
      if (label?.dataset.loop !== String(loop)) {
        const made = slider(loop);
        if (label) label.replaceWith(made);
        else turns.append(made);
        label = made;
      }
      for (const input of label.querySelectorAll("input"))
        if (Number(input.value) !== number) input.value = number;
      label.lastChild.data = totalText(loop, number);
    });
    absent.replaceChildren(...(missing ? howToGet(step) : []));
  }

  /** Return the text after the number of an iteration: "(conv1) of 10". */
  function totalText(loop, number) {
    const { total, more, layers } = data.loops[loop];
    const name = layers ? `(${layers[number - 1]}) ` : "";
    return `${name}of ${total.toLocaleString("en")}${more ? " and more" : ""}`;
  }

  function slider(loop) {
    const { line, total, frame, more } = data.loops[loop];
    const source = data.sources[data.frames[frame].source];
    const text = source.lines[line - source.first].trim().replace(/:.*$/, "");
    const input = (type, on, last) =>
      element("input", {
        type,
        min: 1,
        max: last,
        "aria-label": `iteration of ${text}`,
        [on]: ({ target }) =>
          target.value && target.validity.valid && choose(loop, Number(target.value)),
      });
    return element(
      "label",
      { "data-loop": loop },
      element("code", {}, text),
      total > 1 ? input("range", "oninput", total) : "",
      "iteration ",
      input("number", "onchange", more ? undefined : total),
      "",
    );
  }

  /** Return a sentence with the call that shows the missing iteration. */
  function howToGet(step) {
    const path = loopsOf(step),
      to = path.findIndex(([loop]) => loop === missing.loop);
    const calls = [...path.slice(0, to).filter(([, n]) => n > 1), [missing.loop, missing.number]];
    const text = calls.map(([loop, n]) => `.turn(${data.loops[loop].line}, ${n})`).join("");
    return [
      `Iteration ${missing.number.toLocaleString("en")} is not on this page. In Python `,
      ...toCopy(text, " shows it"),
    ];
  }

  /** Return a call on the Steps of this page as parts of a sentence, with a button to copy it. */
  function toCopy(text, effect) {
    const [name, made] = Object.keys(data.forward).length
      ? ["back", "steps.backward(dy)"]
      : ["steps", `step(${data.sources[data.frames[0].source].name}, …)`];
    const call = element("code", {}, `${name}${text}`);
    const copy = () => {
      getSelection().selectAllChildren(call); // in case the page may not write to the clipboard
      navigator.clipboard?.writeText(call.textContent).catch(() => {});
    };
    return [call, `${effect}, where ${name} = ${made}. `, button("copy", "copy", copy)];
  }

  function showCode(step, source) {
    const shown = code.dataset.source === source.file + source.name;
    if (!shown) {
      code.dataset.source = source.file + source.name;
      code.replaceChildren(
        ...source.lines.map((text, n) => codeLine(source, text, source.first + n)),
      );
    }
    code.querySelectorAll(".undoes").forEach((note) => note.remove());
    const marked = page.markLines((n) => n >= step.line && n <= step.last, Boolean(step.error));
    for (const text of (step.frame === 0 && data.pairs[step.line]) || [])
      marked
        .at(-1)
        .after(
          element(
            "div",
            { class: "undoes" },
            element("span", {}, "undoes"),
            element("code", {}, text),
          ),
        );
    page.scrollTo(marked[0], marked.at(-1));
  }

  function codeLine(source, text, line) {
    const passed = source.statements.some(([a, b, , , quiet]) => quiet && a <= line && line <= b),
      dim = source.dim.includes(line - source.first);
    const onclick = () => {
      const step = visible(data.steps[now].frame).find((s) => s.line === line);
      if (step) {
        now = step.number;
        render();
      }
    };
    const title = passed ? "→ passes over this line; click it, or press s above it, to go there" : undefined;
    return codeRow(text, line, { class: passed || dim ? "quiet" : undefined, title, onclick }, dim);
  }

  /** Return the names of the last line with an array: they stay in view where a line has none. */
  function lastSeen(step, frame) {
    const named = (s) => (s.start ? Object.keys(frame.arguments) : s.names);
    const before = data.steps
      .slice(0, step.number)
      .filter((s) => s.frame === step.frame && named(s).some((name) => isArray(latest(s, name))))
      .pop();
    return before ? named(before) : [];
  }

  /** Return {name, q, dq, …} of the argument that a card shows, itself or its gradient; or null. */
  function touchedBy(card, id) {
    const same = (other) => String(cells(data, other)) === String(cells(data, id));
    for (const [name, entries] of Object.entries(data.touched)) {
      const other = { [name]: entries.q, [`d${name}`]: entries.dq }[card];
      if (other !== undefined && data.values[id].p && same(other)) return { name, ...entries };
    }
    return null;
  }

  /** Return a finite difference of L and backward's gradient as parts of a sentence. */
  function sentence(touch, id, at) {
    const { name, numeric, kinks, analytic } = touch,
      where = index(data.values[id], at);
    if (!numeric) {
      const place = where.slice(1, -1),
        tuple = place.includes(",") ? `(${place})` : `(${place},)`;
      return [
        `This page was made without checking all entries. In Python `,
        ...toCopy(`.touch("${name}", ${tuple})`, " checks this one"),
      ];
    }
    const says = analytic[at] ?? numeric[at],
      slope = element("b", {}, short(numeric[at], 7));
    return [
      `Nudge ${name}${where} up and down by h: (L(${name}+h) − L(${name}−h)) / 2h = `,
      slope,
      at in analytic ? ", but backward says " : "; backward says ",
      element("b", {}, `d${name}${where} = ${short(says, 7)}`),
      kinks.includes(at)
        ? ". L has a kink there, so it has no single slope."
        : at in analytic
          ? ". The gradient is wrong here, or L has a kink that was not detected."
          : ".",
    ];
  }

  function showTouch(card, id, at) {
    const touch = touchedBy(card, id);
    if (touch) touched.replaceChildren(...sentence(touch, id, at));
  }

  /** Return the longest sentence about these arrays: space for it is reserved, so nothing moves. */
  function longest(arrays) {
    const length = (parts) => parts.map((part) => part.textContent ?? part).join("").length;
    let best = [];
    for (const [card, id] of arrays) {
      const touch = touchedBy(card, id);
      if (!touch) continue;
      const end = product(data.values[id].s) - 1;
      for (let at = touch.numeric ? 0 : end; at <= end; at++) {
        const parts = sentence(touch, id, at);
        if (length(parts) > length(best)) best = parts;
      }
    }
    return best;
  }

  function showStage(step, frame) {
    const source = data.sources[frame.source];
    const width = Math.max(230, Math.min(640, stage.clientWidth - 26 || 480));
    const isNow = (name) => isArray(latest(step, name));
    const last = visible(step.frame).at(-1) === step;
    const names = step.start
      ? Object.keys(frame.arguments)
      : [...new Set([...step.names, ...Object.keys(step.changed)])];
    const arrays = [],
      words = [];
    const add = (name, id, state, fresh = []) => {
      if ([...arrays, ...words].some(([other]) => other === name)) return;
      if (isArray(id)) arrays.push([name, id, state, fresh]);
      else words.push([name, data.values[id], state]);
    };
    if (last && step.frame === 0) {
      for (const [name, id] of Object.entries(data.result)) {
        add(name, id, "returned");
        const base = data.touched[name.slice(1)] && data.forward[name.slice(1)];
        if (base !== undefined) add(name.slice(1), base, `${name} is its gradient`);
      }
      if (arrays.length) names.push(...Object.keys(frame.arguments));
    }
    const seen = names.some(isNow) ? [] : lastSeen(step, frame).filter(isNow);
    for (const name of [...names, ...seen]) {
      const id = latest(step, name);
      if (id === null) continue;
      const state =
        name in step.changed
          ? step.start
            ? "argument"
            : "made"
          : name in step.before
            ? "changed since"
            : seen.includes(name)
              ? "seen"
              : "read";
      const before =
        name in step.changed ? (step.before[name] ?? latest(step, name, step.number - 1)) : null;
      const box = isArray(id) && (step.at[name] ?? step.bases[name]?.[1]);
      add(name, id, state, box ? spots(data.values[id], box) : different(data, before, id));
      if (step.again.includes(name) && isArray(before))
        add(`${name} before`, before, "read");
      const base = name.startsWith("d") ? name.slice(1) : "";
      const twin =
        base && !names.includes(base) && state !== "seen"
          ? (latest(step, base) ?? (step.frame === 0 ? data.forward[base] : null))
          : null;
      if (
        twin !== null &&
        twin !== undefined &&
        data.values[id].s &&
        String(data.values[twin].s) === String(data.values[id].s)
      )
        add(base, twin, `${name} is its gradient`);
    }
    for (const [base, [view, box]] of Object.entries(step.bases)) {
      const id = latest(step, base);
      if (id !== null && isArray(id))
        add(base, id, `${data.names[view]} lies in it`, spots(data.values[id], box));
    }
    const parts = [];
    if (step.error) parts.push(element("p", { class: "error", role: "alert" }, `✗ ${step.error}`));
    if (step.note) parts.push(element("p", { class: "error" }, step.note));
    if (step.after)
      parts.push(note(`The loop is done after ${step.after[0].toLocaleString("en")} iterations.`));
    if (words.length)
      parts.push(
        element(
          "dl",
          {},
          ...words.map(([name, text, state]) =>
            element("div", {}, element("dt", { class: state }, name), element("dd", {}, text)),
          ),
        ),
      );
    const touchable = step.frame === 0 && arrays.some(([name, id]) => touchedBy(name, id));
    if (touchable) parts.push(touch);
    most.replaceChildren(...(touchable ? longest(arrays) : []));
    touched.replaceChildren(
      "Point at an entry of an argument or its gradient: how much does L change with it?",
    );
    const pointed = touchable ? showTouch : null;
    parts.push(
      element("div", { class: "arrays" }, ...cards(data, arrays, step.links, width, pointed)),
    );
    if (last && frame.returned !== null && !isArray(frame.returned))
      parts.push(note(`returns ${data.values[frame.returned]}`));
    if (last && frame.cut)
      parts.push(note("The rest ran as a compiled kernel, because Python would take too long."));
    if (step.number === 0 && !step.error) parts.unshift(note(HINT));
    if (!words.length && !arrays.length && !parts.some((p) => p.className))
      parts.push(note(`${source.name} goes on.`));
    stage.replaceChildren(...parts);
  }

  page.onKey((key) => {
    if (!["ArrowLeft", "ArrowRight", "Home", "End", "Enter", "Escape", "s"].includes(key)) return false;
    go(key);
    return true;
  });
  let begun = null; // where a swipe began
  stage.addEventListener(
    "touchstart",
    (event) => {
      begun = event.touches[0];
    },
    { passive: true },
  );
  stage.addEventListener(
    "touchend",
    (event) => {
      const end = event.changedTouches[0],
        x = end.clientX - begun.clientX,
        y = end.clientY - begun.clientY;
      if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) go(x < 0 ? "ArrowRight" : "ArrowLeft");
    },
    { passive: true },
  );
  page.onWidth(() => {
    both.style.minHeight = "";
    render();
  });
  reach(now);
  render();
}

const OLD =
  "These are only the first steps: a browser from 2023 or later shows them all, with their arrays.";

function inflated(text) {
  const inflater = new DecompressionStream("deflate");
  return new Response(new Blob([bytes(text)]).stream().pipeThrough(inflater)).json();
}

async function start(host) {
  if (host.begun) return;
  host.begun = true;
  if (typeof DecompressionStream === "undefined") return host.append(element("p", {}, OLD));
  const data = unpack(await inflated(host.querySelector("script").textContent));
  const root = host.attachShadow({ mode: "open" }),
    page = document.documentElement;
  root.append(element("style", {}, data.css));
  const isPlain = ({ key, ctrlKey, altKey, metaKey, shiftKey }) =>
    !ctrlKey && !altKey && !metaKey && (!shiftKey || /^\w$/.test(key));
  host.addEventListener("keydown", (event) => {
    // in a notebook, letters without modifiers delete and change cells
    if (/^\w$/.test(event.key) && isPlain(event)) event.stopPropagation();
  });
  const beforeNotebook = (event) => {
    // Notebook 7 takes its keys before they arrive here, unless its shortcuts are suppressed
    const selects = /^Arrow(Up|Down)$/.test(event.key) && event.composedPath()[0].matches?.(".stepper");
    const suppressed = isPlain(event) && (!selects || Boolean(data.blocks));
    host.toggleAttribute("data-lm-suppress-shortcuts", suppressed);
  };
  window.addEventListener("keydown", beforeNotebook, true);
  followTheme(host, page);
  if (data.blocks) return gpuStepper(data, root); // a CUDA kernel's, see gpu.js
  if (data.steps) stepper(data, root);
  else slideshow(data, root);
}

/** Show pictures of arrays, with a slider if there are several. */
function slideshow({ slides, ...data }, root) {
  const box = element("section", { class: "arrays picture" }),
    label = element("output", {}, slides[0][0]);
  const show = (number) => {
    const items = slides[number][1].map(([name, id]) => [name, id, "read"]);
    label.textContent = slides[number][0];
    box.replaceChildren(...cards(data, items, null, Math.min(640, box.clientWidth - 38 || 640)));
  };
  const slider = element("input", {
    type: "range",
    min: 0,
    max: slides.length - 1,
    value: 0,
    "aria-label": "slide",
    oninput: () => show(Number(slider.value)),
    onkeydown: (event) => event.stopPropagation(), // a notebook would select another cell
  });
  if (slides.length > 1) root.append(element("label", { class: "slides" }, slider, label));
  root.append(box);
  show(0);
}

const host = document.currentScript?.previousElementSibling;
if (host?.matches(".minicnn-step")) start(host);
document.querySelectorAll(".minicnn-step").forEach(start);
