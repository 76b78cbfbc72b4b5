// The stepper's page: source on the left, the arrays of the current line on the right.
//
// Every <div class="minicnn-step"> holds its data as JSON (see page.py) and gets a shadow root, so
// that no style leaks in or out.  There is no network and no library.
//
//   step       {frame, line, turn, after, changed, before, error, links}
//   visible    the steps that → and ← go through: one frame, its first two turns, and picked ones
//   cells      the numbers of an array's picture; those of a large one are rounded to 8 bits

(() => {
  "use strict";
  const SHOWN = 2, BLUE = [33, 102, 172], RED = [178, 24, 43], MARK = "#ff8c00";
  const KEYWORDS = /\b(def|return|for|in|if|else|elif|while|with|not|and|or|None|True|False|raise|lambda)\b/g;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== false) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  const short = (x, digits = 4) =>
    x === null ? "NaN" : String(Number(x.toPrecision(digits))).replace("-", "−");
  /** A number that fits into a cell. */
  function brief(x) {
    const size = Math.abs(x);
    if (size !== 0 && (size < 0.001 || size >= 1e5)) return x.toExponential(0).replace("e+", "e").replaceAll("-", "−");
    return short(x, size < 0.1 ? 1 : size < 1 ? 2 : 3);
  }

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  // ---- arrays

  /** Return the cells of a value: exact numbers, or what is left of them in 8 bits. */
  function cells(data, id) {
    const value = data.values[id];
    if (value.cells) return value.cells;
    if (value.o !== undefined) {
      value.cells = cells(data, value.o).slice();
      value.i.forEach((at, n) => (value.cells[at] = decoded(data, value, value.x[n])));
    } else if (value.v) value.cells = value.v;
    else value.cells = Array.from(bytes(value.q), (code) => decoded(data, value, code));
    return value.cells;
  }

  function decoded(data, value, code) {
    if (value.exact) return code;
    if (code === 0) return null; // NaN or infinite
    const [lo, hi] = data.ranges[value.k];
    return lo < 0 ? ((code - 128) / 127) * Math.max(-lo, hi) : ((code - 1) / 254) * hi;
  }

  /** Return red, green and blue of a number: white at 0 where there are signs, else grey. */
  function colour(x, [lo, hi]) {
    if (lo >= 0 && hi > 0) return Array(3).fill(Math.max(0, Math.min(255, (255 * x) / (hi || 1))));
    const share = Math.max(-1, Math.min(1, x / (Math.max(-lo, hi) || 1)));
    return (share > 0 ? RED : BLUE).map((c) => 255 + Math.abs(share) * (c - 255));
  }

  function caption(value) {
    const shape = value.s.length ? value.s.join(" × ") : "one number";
    const range = value.r[0] === value.r[1] ? `all ${short(value.r[0])}`
      : `${short(value.r[0])} … ${short(value.r[1])}`;
    const empty = value.s.includes(0), count = value.s.reduce((a, b) => a * b, 1);
    let text = `${shape} ${value.d}`;
    if (empty) return `${text}, empty`;
    if (value.n === count) return `${text}, not written yet`;
    text += `, ${range}`;
    return value.n ? `${text}; ${value.n} of ${count} NaN, infinite or not written yet` : text;
  }

  /** What the picture of a large array leaves out. */
  function sample(value) {
    if (value.exact) return "";
    const [P, h, w] = value.p, maps = value.s.slice(0, -2).reduce((a, b) => a * b, 1);
    const parts = [];
    if (P < maps) parts.push(`${P} of ${maps} maps`);
    if (value.e[0] > 1 || value.e[1] > 1) parts.push(`every ${value.e[0]}th row, ${value.e[1]}th column`);
    return parts.join(", ").replace(/\b1th/g, "1st").replace(/\b2th/g, "2nd").replace(/\b3th/g, "3rd");
  }

  /** Where the cells of an array's picture lie: panels side by side, or one below the other. */
  function layout(value, width) {
    let [P, h, w] = value.p;
    if (value.rgb) P /= 3;
    const numbers = value.exact && P * h * w <= 160 && w * 34 <= width && !value.rgb;
    const room = P > 1 ? 130 : Math.min(width, 300);
    const px = Math.max(1, Math.min(P > 1 ? 12 : 16, Math.floor(room / Math.max(w, h))));
    const cw = numbers ? 38 : px, ch = numbers ? 22 : px, gap = 5;
    let across = Math.max(1, Math.min(P, Math.floor((width + gap) / (w * cw + gap))));
    const maps = value.s.length > 3 ? value.s[value.s.length - 3] : P;
    if (!value.rgb && maps < across && P % maps === 0 && P > maps) across = maps; // an image a row
    return { P, h, w, cw, ch, gap, across, numbers,
      width: across * (w * cw + gap) - gap, height: Math.ceil(P / across) * (h * ch + gap) - gap };
  }

  function corner(place, at) {
    const { h, w, cw, ch, gap, across } = place;
    const panel = Math.floor(at / (h * w)), row = Math.floor(at / w) % h, column = at % w;
    return [(panel % across) * (w * cw + gap) + column * cw,
      Math.floor(panel / across) * (h * ch + gap) + row * ch];
  }

  function draw(canvas, data, id, place, marks) {
    const value = data.values[id], all = cells(data, id), range = data.ranges[value.k];
    const scale = window.devicePixelRatio || 1;
    canvas.width = place.width * scale;
    canvas.height = place.height * scale;
    canvas.style.width = `${place.width}px`;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = "10.5px ui-monospace, Menlo, Consolas, monospace";
    const area = place.h * place.w;
    for (let at = 0; at < place.P * area; at++) {
      const [x, y] = corner(place, at);
      const first = value.rgb ? Math.floor(at / area) * 3 * area + (at % area) : at;
      const entry = all[first];
      const rgb = value.rgb ? [entry, all[first + area], all[first + 2 * area]]
        : entry === null || entry === undefined ? null : colour(entry, range);
      pen.fillStyle = rgb ? `rgb(${rgb.map(Math.round).join(" ")})` : "#8884";
      pen.fillRect(x, y, place.cw, place.ch);
      if (place.numbers) {
        pen.strokeStyle = "#8883";
        pen.strokeRect(x + 0.5, y + 0.5, place.cw - 1, place.ch - 1);
        const dark = rgb && 0.3 * rgb[0] + 0.6 * rgb[1] + 0.1 * rgb[2] < 140;
        pen.fillStyle = !rgb ? "#888" : dark ? "#fff" : "#111";
        pen.fillText(rgb ? brief(entry) : "·", x + place.cw / 2, y + place.ch / 2);
      }
    }
    pen.strokeStyle = MARK;
    pen.lineWidth = place.cw > 6 ? 2 : 1;
    for (const at of marks || []) {
      const [x, y] = corner(place, at), inset = pen.lineWidth / 2;
      pen.strokeRect(x + inset, y + inset, place.cw - 2 * inset, place.ch - 2 * inset);
    }
  }

  /** The index of a cell in the array, as one would write it. */
  function index(value, at) {
    const [P, h, w] = value.p;
    let panel = Math.floor(at / (h * w)), place = [];
    for (let axis = value.s.length - 3; axis >= 0; axis--) {
      place.unshift(panel % value.s[axis]);
      panel = Math.floor(panel / value.s[axis]);
    }
    const row = (Math.floor(at / w) % h) * value.e[0], column = (at % w) * value.e[1];
    if (value.s.length > 1) place.push(row);
    if (value.s.length > 0) place.push(column);
    return `[${place.join(", ")}]`;
  }

  /** One array: name, picture, caption.  point(at) is called when a cell is pointed at. */
  function card(data, name, id, state, width, point) {
    const value = data.values[id], place = layout(value, width);
    const label = `${name}: ${caption(value)}`;
    const canvas = element("canvas", { role: "img", tabindex: 0, "aria-label": label });
    const under = element("figcaption", {}, caption(value));
    if (sample(value)) under.append(element("small", {}, ` (${sample(value)})`));
    const figure = element("figure", { class: state },
      element("b", {}, name), element("i", {}, state === "read" || state === "seen" ? "" : state), canvas, under);
    let here = null;
    const paint = (marks) => draw(canvas, data, id, place, here === null ? marks : [here]);
    const say = (at) => {
      here = at;
      paint();
      const all = cells(data, id);
      if (at === null) under.firstChild.data = caption(value);
      else if (value.rgb) {
        const area = place.h * place.w, first = Math.floor(at / area) * 3 * area + (at % area);
        under.firstChild.data = `red, green, blue = ${[0, 1, 2].map((c) => short(all[first + c * area]))}`;
      } else under.firstChild.data = `${name}${index(value, at)} ${value.exact ? "=" : "≈"} ${short(all[at], value.exact ? 4 : 2)}`;
      if (point) point(at);
    };
    const find = (event) => {
      const box = canvas.getBoundingClientRect(), { h, w, cw, ch, gap, across } = place;
      const x = ((event.clientX - box.left) / box.width) * place.width;
      const y = ((event.clientY - box.top) / box.height) * place.height;
      const right = Math.floor(x / (w * cw + gap)), down = Math.floor(y / (h * ch + gap));
      const column = Math.floor((x - right * (w * cw + gap)) / cw), row = Math.floor((y - down * (h * ch + gap)) / ch);
      const panel = down * across + right;
      if (panel >= place.P || column >= w || row >= h || column < 0 || row < 0) return null;
      return panel * h * w + row * w + column;
    };
    canvas.addEventListener("pointermove", (event) => { const at = find(event); if (at !== here) say(at); });
    canvas.addEventListener("pointerdown", (event) => say(find(event)));
    canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") say(null); });
    canvas.addEventListener("blur", () => { if (here !== null) say(null); });
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -place.w, ArrowDown: place.w };
      if (!(event.key in moves) || (here === null && event.key !== "ArrowDown")) return;
      const last = place.P * place.h * place.w - 1;
      say(here === null ? 0 : Math.max(0, Math.min(last, here + moves[event.key])));
      event.preventDefault();
      event.stopPropagation();
    });
    paint();
    return { figure, mark: (marks) => { if (here === null) paint(marks); } };
  }

  /** The entries of an input that an entry of an output was made from: a row of a table of bits. */
  function linked(bits, entry, inputs) {
    const table = bytes(bits), found = [];
    for (let q = 0; q < inputs; q++) {
      const at = entry * inputs + q;
      if (table[at >> 3] & (128 >> (at & 7))) found.push(q);
    }
    return found;
  }

  /** Cards that know each other: who points at a cell of one sees where it came from in the others. */
  function cards(data, items, links, width) {
    const made = new Map();
    for (const [name, id, state] of items) {
      made.set(name, card(data, name, id, state, width, (at) => {
        for (const [other, otherId] of items) {
          if (other === name) continue;
          const inputs = data.values[otherId].s.reduce((a, b) => a * b, 1);
          const outputs = data.values[id].s.reduce((a, b) => a * b, 1);
          const back = links?.[name]?.[other], on = links?.[other]?.[name];
          let marks = [];
          if (at !== null && back) marks = linked(data.values[back], at, inputs);
          else if (at !== null && on) {
            for (let y = 0; y < inputs; y++) if (linked(data.values[on], y, outputs).includes(at)) marks.push(y);
          }
          made.get(other).mark(marks);
        }
      }));
    }
    return [...made.values()].map((one) => one.figure);
  }

  /** Undo what page.py did to make the data small. */
  function unpack(data) {
    const named = (flat) => Object.fromEntries(
      flat.flatMap((n, at) => (at % 2 ? [] : [[data.names[n], flat[at + 1]]])));
    for (const value of data.values) // an array that differs little from another one
      if (value.o !== undefined) Object.assign(value, { ...data.values[value.o], cells: undefined, ...value });
    if (!data.steps) return data;
    data.loops = data.loops.map(([line, frame, total, rows]) => ({ line, frame, total, rows }));
    data.frames.forEach((frame) => (frame.arguments = named(frame.arguments)));
    data.forward = named(data.forward);
    data.result = named(data.result);
    data.steps = data.steps.map(([frame, line, turn, changed, rest = {}], number) => {
      const source = data.sources[data.frames[frame].source];
      const [, last, names, again] = source.statements.find(([first]) => first === line) || [];
      return { number, frame, line, last: last ?? source.header, turn, start: last === undefined,
        names: (names || []).map((n) => data.names[n]), again: (again || []).map((n) => data.names[n]), changed: named(changed),
        ...rest, before: named(rest.before || []) };
    });
    return data;
  }

  // ---- steps

  function stepper(data, root) {
    let now = 0, picked = {};
    const pathOf = (step) => {
      const path = [];
      for (let turn = step.turn; turn !== null; turn = data.turns[turn][2]) path.unshift(data.turns[turn]);
      return path; // [loop, number, parent], the outermost first
    };
    const within = (step) => pathOf(step).filter(([loop]) => data.loops[loop].frame === step.frame);
    const isShown = ([loop, number]) => number <= SHOWN || data.loops[loop].rows || picked[loop] === number;
    const visible = (frame) => data.steps.filter((s) => s.frame === frame && (s.error || within(s).every(isShown)));

    const code = element("div", { class: "code" });
    const stage = element("div", { class: "stage" });
    const trail = element("nav", { class: "trail", "aria-label": "where we are" });
    const turns = element("div", { class: "turns" });
    const count = element("span", { class: "count" });
    const voice = element("p", { class: "voice", "aria-live": "polite" });
    const calls = element("span", { class: "calls" });
    const button = (text, label, act) => element("button", { type: "button", title: label, "aria-label": label, onclick: act }, text);
    const bar = element("div", { class: "bar", role: "toolbar", "aria-label": "steps" },
      button("⇤", "first line (Home)", () => go("Home")), button("←", "line before (←)", () => go("ArrowLeft")),
      button("→", "next line (→)", () => go("ArrowRight")), button("⇥", "last line (End)", () => go("End")), count, calls);
    const body = element("section", { class: "stepper", tabindex: 0, "aria-label": `${data.title}: arrow keys go from line to line` },
      element("header", {}, trail, bar, turns), element("div", { class: "both" }, code, stage), voice);
    root.append(body);

    /** What a variable is when this step is done, or null. */
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
      const step = data.steps[now], list = visible(step.frame), at = list.indexOf(step);
      const child = data.frames.findIndex((f) => f.parent === now), parent = data.frames[step.frame].parent;
      if (key === "Home") now = list[0].number;
      else if (key === "End") now = list[list.length - 1].number;
      else if (key === "ArrowLeft") { if (at > 0) now = list[at - 1].number; else if (parent !== null) now = parent; }
      else if (key === "ArrowRight") {
        if (at + 1 < list.length) now = list[at + 1].number;
        else if (parent !== null) { // the call is over: on with the caller
          now = parent;
          const up = visible(data.steps[now].frame), after = up.indexOf(data.steps[now]) + 1;
          if (after < up.length) now = up[after].number;
        }
      } else if (key === "Enter" && child >= 0) now = visible(child)[0].number;
      else if (key === "Escape" && parent !== null) now = parent;
      else return false;
      render();
      return true;
    }

    function pick(loop, number) {
      const first = data.steps.find((s) => pathOf(s).some(([l, n]) => l === loop && n === number));
      if (!first) return;
      picked[loop] = number;
      now = first.number;
      render();
    }

    function render() {
      const step = data.steps[now], frame = data.frames[step.frame], source = data.sources[frame.source];
      const list = visible(step.frame);
      count.textContent = `${list.indexOf(step) + 1} of ${list.length}`;
      trail.replaceChildren(...crumbs(step));
      calls.replaceChildren(...data.frames.flatMap((f, n) => f.parent !== now ? [] :
        [button(`open ${data.sources[f.source].name}`, "step into the call (Enter)", () => { now = visible(n)[0].number; render(); })]));
      if (frame.parent !== null) calls.append(button("close", "back to the caller (Esc)", () => go("Escape")));
      turns.replaceChildren(...within(step).map(slider));
      showCode(step, source);
      showStage(step, frame);
      voice.textContent = `line ${step.line}: ${source.lines[step.line - source.first].trim()}`;
    }

    function crumbs(step) {
      const names = [];
      for (let s = step; s; s = data.steps[data.frames[s.frame].parent]) {
        const source = data.sources[data.frames[s.frame].source], n = s.number, turn = within(s).map(([loop]) => data.loops[loop].rows?.[within(s)[0][1] - 1]).find(Boolean);
        if (turn && s !== step) names.unshift(` ${turn} › `);
        names.unshift(s === step ? element("strong", {}, source.name) : element("button", { type: "button", onclick: () => { now = n; render(); } }, source.name), s === step ? "" : " › ");
      }
      const source = data.sources[data.frames[step.frame].source];
      return [...names, element("span", { class: "file" }, `${source.file}:${step.line}`)];
    }

    function slider([loop, number]) {
      const { line, total, frame, rows } = data.loops[loop];
      const kept = data.turns.filter(([l]) => l === loop).map(([, n]) => n), last = kept[kept.length - 1];
      const source = data.sources[data.frames[frame].source];
      const text = source.lines[line - source.first].trim().replace(/:.*$/, "");
      const range = element("input", { type: "range", min: 1, max: last, value: number, "aria-label": `turn of ${text}`,
        oninput: (event) => pick(loop, Number(event.target.value)) });
      range.dataset.loop = loop;
      const what = rows ? ` (${rows[number - 1]})` : "";
      const more = last < total ? `, ${last} kept` : "";
      return element("label", {}, element("code", {}, text), last > 1 ? range : "", `turn ${number}${what} of ${total}${more}`);
    }

    function showCode(step, source) {
      const shown = code.dataset.source === source.file + source.name;
      if (!shown) {
        code.dataset.source = source.file + source.name;
        code.replaceChildren(...source.lines.map((text, n) => codeLine(source, text, source.first + n)));
      }
      code.querySelectorAll(".undoes").forEach((one) => one.remove());
      for (const row of code.children) {
        const line = Number(row.dataset.line), on = line >= step.line && line <= step.last;
        row.classList.toggle("now", on);
        row.classList.toggle("failed", on && Boolean(step.error));
        if (on) row.setAttribute("aria-current", "step"); else row.removeAttribute("aria-current");
      }
      const row = code.querySelector(`[data-line="${step.last}"]`);
      for (const text of (step.frame === 0 && data.pairs[step.line]) || [])
        row.after(element("div", { class: "undoes" }, element("span", {}, "undoes"), element("code", {}, text)));
      const top = code.querySelector(".now").offsetTop, bottom = row.offsetTop + row.offsetHeight;
      if (top < code.scrollTop + 24 || bottom > code.scrollTop + code.clientHeight - 24)
        code.scrollTop = top - code.clientHeight / 2.5;
    }

    function codeLine(source, text, line) {
      const [whole, comment = ""] = text.match(/#(?![^"]*"[^"]*$).*$/) ? [text.replace(/\s*#.*$/, ""), text.match(/\s*#.*$/)[0]] : [text];
      const indent = text.length - text.trimStart().length; // what does not fit on a line hangs further in
      const row = element("div", { "data-line": line, class: source.quiet.includes(line - source.first) ? "quiet" : undefined });
      const parts = element("code", { style: `padding-left:${indent + 4}ch` });
      let at = indent;
      for (const match of source.quiet.includes(line - source.first) ? [] : whole.matchAll(KEYWORDS)) {
        parts.append(whole.slice(at, match.index), element("b", {}, match[0]));
        at = match.index + match[0].length;
      }
      parts.append(whole.slice(at), element("i", {}, comment));
      row.append(element("span", { class: "number" }, String(line)), parts);
      row.addEventListener("click", () => {
        const step = visible(data.steps[now].frame).find((s) => s.line === line);
        if (step) { now = step.number; render(); }
      });
      return row;
    }

    /** The names of the line before with an array: they stay in view where a line has none. */
    function lastSeen(step, frame) {
      const named = (s) => (s.start ? Object.keys(frame.arguments) : s.names);
      const hasArray = (s) => named(s).some((name) => typeof data.values[latest(s, name)] === "object");
      const before = data.steps.slice(0, step.number).filter((s) => s.frame === step.frame && hasArray(s)).pop();
      return before ? named(before) : [];
    }

    function showStage(step, frame) {
      const source = data.sources[frame.source];
      const width = Math.max(230, Math.min(640, stage.clientWidth - 26 || 480));
      const isArray = (name) => typeof data.values[latest(step, name)] === "object";
      const last = visible(step.frame).at(-1) === step;
      const names = step.start ? Object.keys(frame.arguments) : [...new Set([...step.names, ...Object.keys(step.changed)])];
      const arrays = [], words = [];
      const add = (name, id, state) => {
        if (typeof data.values[id] === "string") words.push([name, data.values[id], state]);
        else arrays.push([name, id, state]);
      };
      if (step.start && step.number === 0) Object.entries(data.result).forEach(([name, id]) => add(name, id, "returned"));
      const seen = names.some(isArray) ? [] : lastSeen(step, frame).filter(isArray);
      for (const name of [...names, ...seen]) {
        const id = latest(step, name);
        if (id === null) continue;
        const state = name in step.changed ? (step.start ? "argument" : "made") : name in step.before ? "changed meanwhile" : seen.includes(name) ? "seen" : "read";
        add(name, id, state);
        if (step.again.includes(name)) {
          const before = name in step.before ? step.before[name] : latest(step, name, step.number - 1);
          if (before !== null && typeof data.values[before] !== "string") add(`${name} before`, before, "read");
        }
        const base = name.startsWith("d") ? name.slice(1) : "";
        const twin = base && !names.includes(base) ? latest(step, base) ?? (step.frame === 0 ? data.forward[base] : null) : null;
        if (twin !== null && twin !== undefined && data.values[id].s && String(data.values[twin].s) === String(data.values[id].s)) add(base, twin, "its gradient is beside");
      }
      const parts = [];
      if (step.error) parts.push(element("p", { class: "error", role: "alert" }, `✗ ${step.error}`));
      if (step.after) parts.push(element("p", { class: "note" }, `The loop is done after ${step.after} turns; the slider has more of them.`));
      if (words.length) parts.push(element("dl", {}, ...words.flatMap(([name, text, state]) => [element("dt", { class: state }, name), element("dd", {}, text)])));
      parts.push(element("div", { class: "arrays" }, ...cards(data, arrays, step.links, width)));
      if (last && frame.returned !== null && typeof data.values[frame.returned] === "string")
        parts.push(element("p", { class: "note" }, `returns ${data.values[frame.returned]}`));
      if (last && frame.cut) parts.push(element("p", { class: "note" }, "As Python this would take long: the compiled kernel did the rest."));
      if (!words.length && !arrays.length && !parts.some((p) => p.className)) parts.push(element("p", { class: "note" }, source.name + " goes on."));
      stage.replaceChildren(...parts);
    }

    body.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.target.type === "range") return;
      if (event.key === "Enter" && event.target.tagName === "BUTTON") return;
      if (!["ArrowLeft", "ArrowRight", "Home", "End", "Enter", "Escape"].includes(event.key)) return;
      go(event.key);
      event.preventDefault();
      event.stopPropagation();
    });
    let begun = null; // of a touch
    stage.addEventListener("touchstart", (event) => { begun = event.touches[0]; }, { passive: true });
    stage.addEventListener("touchend", (event) => {
      const end = event.changedTouches[0], x = end.clientX - begun.clientX, y = end.clientY - begun.clientY;
      if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) go(x < 0 ? "ArrowRight" : "ArrowLeft");
    }, { passive: true });
    new ResizeObserver(() => render()).observe(body);
    render();
  }

  function start(host) {
    if (host.shadowRoot) return;
    const data = unpack(JSON.parse(host.querySelector("script").textContent));
    const root = host.attachShadow({ mode: "open" }), page = document.documentElement;
    root.append(element("style", {}, data.css));
    const dark = document.body.dataset.jpThemeLight === "false" || document.body.classList.contains("vscode-dark") || page.getAttribute("theme") === "dark";
    const light = document.body.dataset.jpThemeLight === "true" || document.body.classList.contains("vscode-light");
    if (dark || light) host.dataset.theme = dark ? "dark" : "light";
    if (data.steps) stepper(data, root);
    else {
      const items = data.arrays.map(([name, id]) => [name, id, "read"]);
      const box = element("section", { class: "arrays picture" });
      root.append(box);
      box.append(...cards(data, items, null, Math.min(640, box.clientWidth - 26 || 640)));
    }
  }

  document.querySelectorAll(".minicnn-step").forEach(start);
})();
