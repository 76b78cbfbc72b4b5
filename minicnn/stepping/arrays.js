// Draw arrays on the stepper's page: heat maps, with numbers where they fit.
//
//   value    an array as page.py describes it: shape, caption and the panels of its picture
//   cells    the entries of that picture; in a large array they are rounded to 8 bits
//   place    the layout of the cells on the canvas, with panels in rows
//   at       the index of a cell: panel · h · w + row · w + column
//   spot     cells to mark: [panel, first row, last row + 1, first column, last column + 1]

const SHOWN = 2,
  DRAWN = 160, // entries
  BLUE = [33, 102, 172],
  RED = [178, 24, 43],
  MARK = "#ff8c00";

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
  typeof x !== "number" ? (x ?? "NaN") : String(Number(x.toPrecision(digits))).replace("-", "−");
/** Return a number as text that fits into a cell, of five characters and a minus, or of fewer. */
function brief(x, characters = 6) {
  const size = Math.abs(x);
  const most = Number.isInteger(x) ? 5 : Math.max(3, Math.ceil(Math.log10(size)));
  if (size === 0 || (size >= 0.001 && size < 99999.5))
    for (let digits = most; digits > 0; digits--) {
      const text = short(x, digits);
      if (text.length <= Math.min(characters, x < 0 ? 6 : 5)) return text;
    }
  return x.toExponential(0).replace("e+", "e").replaceAll("-", "−");
}

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Return the cells of a value: exact numbers, or numbers decoded from 8 bits. */
function cells(data, id) {
  const value = data.values[id];
  if (value.cells) return value.cells;
  value.cells = value.v ?? Array.from(bytes(value.q), (code) => decoded(data, value, code));
  return value.cells;
}

function decoded(data, value, code) {
  if (code === 0) return null; // NaN or infinite
  const [lo, hi] = data.ranges[value.k];
  return lo < 0 ? ((code - 128) / 127) * Math.max(-lo, hi) : ((code - 1) / 254) * hi;
}

/** Return red, green and blue of a number: white at 0 in a signed range, else grey. */
function colour(x, [lo, hi]) {
  if (lo >= 0 && hi > 0) return Array(3).fill(Math.max(0, Math.min(255, (255 * x) / (hi || 1))));
  const share = Math.max(-1, Math.min(1, x / (Math.max(-lo, hi) || 1)));
  return (share > 0 ? RED : BLUE).map((c) => 255 + Math.abs(share) * (c - 255));
}

/** Return whether three maps of an array are drawn as one picture in colour. */
const isColour = (value) => value.rgb !== undefined;

/** Return the layout of an array's picture: panels side by side, in as many rows as it takes. */
function layout(value, width) {
  let [P, h, w] = value.p;
  if (isColour(value)) P /= 3;
  const numbers = value.v && P * h * w <= DRAWN && w * 34 <= width && !isColour(value);
  const side = P > 1 ? 130 : Math.min(width, 300);
  let px = Math.max(1, Math.min(P > 1 ? 12 : 16, Math.floor(side / Math.max(w, h)))),
    cw,
    ch,
    across;
  const gap = px > 1 || w > 1 ? 5 : 1,
    maps = value.s.length > 3 ? value.s[value.s.length - 3] : P;
  for (; ; px--) {
    cw = numbers ? Math.min(38, Math.floor(width / w)) : px;
    ch = numbers ? 22 : px;
    across = Math.max(1, Math.min(P, Math.floor((width + gap) / (w * cw + gap))));
    if (!isColour(value) && maps < across && P % maps === 0 && P > maps)
      across = P > 12 * maps ? across - (across % maps) : maps; // one image in each row, if few
    if (numbers || px === 1 || Math.ceil(P / across) * (h * px + gap) <= 440) break;
  }
  if (P > 12 && /, (all .*|not written yet)$/.test(value.c)) P = Math.min(P, across); // all maps are alike
  return {
    P,
    h,
    w,
    cw,
    ch,
    gap,
    across,
    numbers,
    width: across * (w * cw + gap) - gap,
    height: Math.ceil(P / across) * (h * ch + gap) - gap,
  };
}

function corner(place, at) {
  const { h, w, cw, ch, gap, across } = place;
  const panel = Math.floor(at / (h * w)),
    row = Math.floor(at / w) % h,
    column = at % w;
  return [
    (panel % across) * (w * cw + gap) + column * cw,
    Math.floor(panel / across) * (h * ch + gap) + row * ch,
  ];
}

/** Return red, green and blue of a cell of the drawing, or null where it is not finite. */
function shade(data, id, place, at) {
  const value = data.values[id],
    all = cells(data, id),
    area = place.h * place.w;
  if (!isColour(value)) return typeof all[at] === "number" ? colour(all[at], data.ranges[value.k]) : null;
  const first = Math.floor(at / area) * 3 * area + (at % area);
  const entries = [0, 1, 2].map((c) => all[first + c * area]);
  if (!entries.every((entry) => typeof entry === "number")) return null;
  return entries.map((entry) => Math.max(0, Math.min(255, entry + value.rgb)));
}

/** Return a canvas with the maps of an array below each other, a pixel for each entry. */
function pixels(data, id, place) {
  const value = data.values[id];
  if (value.image) return value.image;
  const { P, h, w } = place,
    image = new ImageData(Math.max(1, w), Math.max(1, P * h));
  for (let at = 0; at < P * h * w; at++)
    image.data.set([...(shade(data, id, place, at)?.map(Math.round) ?? [136, 136, 136]), 255], 4 * at);
  value.image = element("canvas", { width: image.width, height: image.height });
  value.image.getContext("2d").putImageData(image, 0, 0);
  return value.image;
}

function draw(canvas, data, id, place, marks) {
  const all = cells(data, id),
    { P, h, w, cw, ch } = place;
  const scale = window.devicePixelRatio || 1;
  canvas.width = place.width * scale;
  canvas.height = place.height * scale;
  canvas.style.width = `${place.width}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.imageSmoothingEnabled = false;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = "10.5px ui-monospace, Menlo, Consolas, monospace";
  for (let panel = 0; !place.numbers && panel < P && h * w; panel++) {
    const [x, y] = corner(place, panel * h * w);
    pen.drawImage(pixels(data, id, place), 0, panel * h, w, h, x, y, w * cw, h * ch);
  }
  for (let at = 0; place.numbers && at < P * h * w; at++) {
    const [x, y] = corner(place, at),
      entry = all[at],
      rgb = shade(data, id, place, at);
    pen.fillStyle = rgb ? `rgb(${rgb.map(Math.round).join(" ")})` : "#8884";
    pen.fillRect(x, y, cw, ch);
    pen.strokeStyle = "#8883";
    pen.strokeRect(x + 0.5, y + 0.5, cw - 1, ch - 1);
    const dark = rgb && 0.3 * rgb[0] + 0.6 * rgb[1] + 0.1 * rgb[2] < 140;
    pen.fillStyle = !rgb ? "#888" : dark ? "#fff" : "#111";
    const words = rgb ? brief(entry, Math.floor((cw - 3) / 5.8)) : (entry ?? "·");
    pen.fillText(words, x + cw / 2, y + ch / 2, cw - 3);
  }
  pen.strokeStyle = MARK;
  pen.lineWidth = cw > 6 ? 2 : 1;
  const inset = pen.lineWidth / 2;
  for (const mark of marks || []) {
    const [panel, top, bottom, left, right] = mark.length ? mark : spotOf(place, mark);
    const [x, y] = corner(place, (panel * h + top) * w + left);
    const [wide, high] = [(right - left) * cw, (bottom - top) * ch];
    pen.strokeRect(x + inset, y + inset, wide - 2 * inset, high - 2 * inset);
  }
}

/** Return the spot of a single cell. */
function spotOf({ h, w }, at) {
  const row = Math.floor(at / w) % h;
  return [Math.floor(at / (h * w)), row, row + 1, at % w, (at % w) + 1];
}

/** Return the spots of a box of an array: [[first, last + 1, step], …], an axis each. */
function spots(value, box) {
  const [P, h, w] = value.p,
    shape = [1, 1, ...value.s],
    axes = [[0, 1, 1], [0, 1, 1], ...box];
  const spans = ([first, end, step], every, most) => {
    const found = [];
    if (step === 1) found.push([Math.floor(first / every), Math.ceil(end / every)]);
    else
      for (let n = first; n < end; n += step)
        found.push([Math.floor(n / every), Math.floor(n / every) + 1]);
    return found.filter(([start]) => start < most).map(([a, b]) => [a, Math.min(b, most)]);
  };
  const columns = spans(axes.pop(), value.e[1], w),
    rows = spans(axes.pop(), value.e[0], h);
  let panels = [0];
  axes.forEach(([first, end, step], axis) => {
    const next = [];
    for (const panel of panels)
      for (let n = first; n < end && next.length < 4096; n += step)
        next.push(panel * shape[axis] + n);
    panels = next;
  });
  if (isColour(value)) panels = [...new Set(panels.map((panel) => Math.floor(panel / 3)))];
  panels = panels.filter((panel) => panel < (isColour(value) ? P / 3 : P));
  return panels.flatMap((p) => rows.flatMap((r) => columns.map((c) => [p, ...r, ...c])));
}

/** Return the index of a cell in its array as text: "[0, 2, 1]". */
function index(value, at) {
  const [P, h, w] = value.p;
  let panel = Math.floor(at / (h * w)),
    place = [];
  for (let axis = value.s.length - 3; axis >= 0; axis--) {
    place.unshift(panel % value.s[axis]);
    panel = Math.floor(panel / value.s[axis]);
  }
  const row = (Math.floor(at / w) % h) * value.e[0],
    column = (at % w) * value.e[1];
  if (value.s.length > 1) place.push(row);
  if (value.s.length > 0) place.push(column);
  return `[${place.join(", ")}]`;
}

function framed(name, state, ...inside) {
  const label = ["read", "seen", "part"].includes(state) ? "" : state;
  return element(
    "figure",
    { class: state },
    element("b", {}, name),
    element("i", {}, label),
    ...inside,
  );
}

/** Return a caption; it also holds its longest possible text, hidden, so that no card moves. */
function captioned(data, name, id, text) {
  const value = data.values[id],
    last = index(value, product(value.p) - 1),
    most = isColour(value)
      ? "red, green, blue = −888, −888, −888"
      : value.v
        ? `${name}${last} = −0.000008888888888`
        : `${name}${last} ≈ −0.0000088`;
  return element("figcaption", { "data-rest": text, "data-most": most }, element("span", {}, text));
}

// Return the card of an array: name, picture, caption.  point(at) is called when the pointer enters a
// cell.  The arrays of a row share the caption `under` it.  `fresh` are cells or spots to mark until
// then.
function card(data, [name, id, state, fresh, under], width, point) {
  const value = data.values[id],
    place = layout(value, width);
  const canvas = element("canvas", {
    role: "img",
    tabindex: 0,
    "aria-label": `${name}: ${value.c}`,
  });
  const ownCaption = under ? "" : (under = captioned(data, name, id, value.c));
  const words = under.firstChild,
    caption = words.textContent;
  const figure = framed(name, state, canvas, ownCaption);
  let here = null;
  const paint = (marks) => draw(canvas, data, id, place, here === null ? (marks ?? fresh) : [here]);
  const say = (at) => {
    here = at;
    paint();
    const all = cells(data, id);
    if (at === null) words.textContent = caption;
    else if (isColour(value)) {
      const area = place.h * place.w,
        first = Math.floor(at / area) * 3 * area + (at % area);
      const shades = [0, 1, 2].map((c) => short(all[first + c * area], 3));
      words.textContent = `red, green, blue = ${shades.join(", ")}`;
    } else {
      const entry = value.v ? `= ${short(all[at], 10)}` : `≈ ${short(all[at], 2)}`;
      words.textContent = `${name}${index(value, at)} ${entry}`;
    }
    if (point) point(at);
  };
  const find = (event) => {
    const box = canvas.getBoundingClientRect(),
      { h, w, cw, ch, gap, across } = place;
    const x = ((event.clientX - box.left) / box.width) * place.width;
    const y = ((event.clientY - box.top) / box.height) * place.height;
    const right = Math.floor(x / (w * cw + gap)),
      down = Math.floor(y / (h * ch + gap));
    const column = Math.floor((x - right * (w * cw + gap)) / cw),
      row = Math.floor((y - down * (h * ch + gap)) / ch);
    const panel = down * across + right;
    const inside = right >= 0 && right < across && down >= 0 && panel < place.P;
    if (!inside || column >= w || row >= h) return null; // outside, or between maps
    return panel * h * w + row * w + column;
  };
  canvas.addEventListener("pointermove", (event) => {
    const at = find(event);
    if (at !== here) say(at);
  });
  canvas.addEventListener("pointerdown", (event) => say(find(event)));
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") say(null);
  });
  canvas.addEventListener("blur", () => {
    if (here !== null) say(null);
  });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -place.w, ArrowDown: place.w };
    if (!(event.key in moves) || (here === null && event.key !== "ArrowDown")) return;
    const last = place.P * place.h * place.w - 1;
    say(here === null ? 0 : Math.max(0, Math.min(last, here + moves[event.key])));
    event.preventDefault();
    event.stopPropagation();
  });
  paint();
  return {
    figure,
    mark: (marks) => {
      if (here === null) paint(marks);
    },
  };
}

const product = (sizes) => sizes.reduce((a, b) => a * b, 1);
/** Return whether the picture of an array has all of its entries. */
const isWhole = (value) => Boolean(value?.p) && product(value.s) === product(value.p);

/** Return the cells of a small array that have changed, or [] if more than half have. */
function different(data, before, id) {
  const [old, value] = [data.values[before], data.values[id]];
  if (!isWhole(old) || !isWhole(value) || String(old.s) !== String(value.s)) return [];
  const [a, b] = [cells(data, before), cells(data, id)];
  const changed = b.flatMap((x, at) => (x === a[at] ? [] : [at]));
  return 2 * changed.length > b.length ? [] : changed;
}

/** Return whether an output entry depends on an input entry: a bit of a table by provenance.py. */
function linked(data, id, at) {
  data.tables ??= {};
  const table = (data.tables[id] ??= bytes(data.values[id]));
  return table[at >> 3] & (128 >> (at & 7));
}

/** Return linked cards: pointing at a cell marks the cells that it came from. */
function cards(data, items, links, width, pointed) {
  const made = new Map(),
    size = (id) => product(data.values[id].s);
  const add = (item, width) => {
    const [name, id] = item;
    const added = card(data, item, width, (at) => {
      if (at !== null) pointed?.(name, id, at);
      for (const [other, { otherId, mark }] of made) {
        if (other === name) continue;
        const back = links?.[name]?.[other],
          on = links?.[other]?.[name],
          twin = other === `d${name}` || name === `d${other}`; // q and dq
        let marks = at === null ? undefined : [];
        if (at !== null && twin && String(data.values[id].p) === String(data.values[otherId].p))
          marks = [at];
        else if (at !== null && (back || on))
          for (let q = 0; q < size(otherId); q++)
            if (back ? linked(data, back, at * size(otherId) + q) : linked(data, on, q * size(id) + at))
              marks.push(q);
        mark(marks);
      }
    });
    made.set(name, { otherId: id, mark: added.mark });
    return added.figure;
  };
  return items.map((item) => {
    const [name, id, state] = item,
      { row, c } = data.values[id];
    if (!row) return add(item, width);
    const end = row.length - 1,
      under = captioned(data, `${name}[${end}]`, row[end], c),
      share = Math.max(130, width / row.length - 12);
    const parts = row.map((part, n) => add([`${name}[${n}]`, part, "part", [], under], share));
    return framed(name, state, element("div", { class: "row" }, ...parts), under);
  });
}

/** Replace the numbers of names by the names. */
function unpack(data) {
  const named = (flat) =>
    Object.fromEntries(flat.flatMap((n, at) => (at % 2 ? [] : [[data.names[n], flat[at + 1]]])));
  if (data.blocks) return data; // a CUDA kernel's, see gpu.js
  data.values = rows(data.values).map((value) => value.text ?? value);
  if (!data.steps) return data;
  data.loops = rows(data.loops);
  data.frames.forEach((frame) => (frame.arguments = named(frame.arguments)));
  data.forward = named(data.forward);
  data.result = named(data.result);
  data.steps = rows(data.steps).map((step, number) => {
    const source = data.sources[data.frames[step.frame].source];
    const [, last, names, again, passed] = source.statements.find(([first]) => first === step.line) || [];
    return {
      ...step,
      number,
      last: last ?? source.header,
      turn: step.turn ?? null,
      start: last === undefined,
      passed,
      names: (names || []).map((n) => data.names[n]),
      again: (again || []).map((n) => data.names[n]),
      changed: named(step.changed || []),
      before: named(step.before || []),
      at: named(step.at || []),
      bases: named(step.bases || []),
    };
  });
  return data;
}

/** Turn columns into rows: {a: [1, 2], b: [null, 3]} becomes {a: 1}, {a: 2, b: 3}. */
function rows(columns) {
  const made = [];
  for (const [key, all] of Object.entries(columns))
    all.forEach((x, n) => x !== null && ((made[n] ??= {})[key] = x));
  return made;
}
