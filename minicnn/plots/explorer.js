// The page of `python -m minicnn explore`: a trained network at work, unit by unit.
//
// #data holds the deflated content that plots/explorer.py packs.  All numbers are the library's; the
// page decodes them, subtracts and divides, and has no layer of its own.  element, short, bytes and
// colour are those of the stepper's arrays.js.
//
//   now        {image, layer, map, row, column, without}: what the reader has chosen
//   maps       {shape: [C, H, W], codes, scale}: an entry is its code times the scale of its map
//   stage      the position of a layer with weights; those after it have the same maps, computed on
//   field      [f, stride, pad, sees, step, start] of a layer, see training/inspection.py

const TYPES = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, f4: Float32Array };
const MARGIN = 2; // pixels around what a canvas shows, for an outline
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** Return the content of the page: JSON, in which {type, shape, at} becomes an array. */
async function content() {
  const packed = bytes(document.getElementById("data").textContent);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const all = await new Response(stream).arrayBuffer();
  const length = new DataView(all).getUint32(0, true);
  const text = new TextDecoder().decode(new Uint8Array(all, 4, length));
  return JSON.parse(text, (key, value) => {
    if (!value?.type || !value.shape) return value;
    const array = new TYPES[value.type](all, 4 + length + value.at, product(value.shape));
    return Object.assign(array, { shape: value.shape });
  });
}

// Return maps of these codes and scales: entry(map, row, column); the text of a number, rounded to
// what a code can tell; and the range, which has the largest size of any entry.
function mapsOf({ codes, scale }) {
  const [C, H, W] = codes.shape,
    signed = codes instanceof Int8Array,
    top = Math.max(...scale) * (signed ? 127 : 255);
  const entry = (map, row, column) => codes[(map * H + row) * W + column] * scale[map];
  const text = (x, map) => (H * W === 1 ? short(x, 3) : rounded(x, scale[map]));
  return { C, H, W, entry, text, range: [signed ? -top : 0, top || 1] };
}

/** Return a number as text, with as many decimals as make sense where numbers are `step` apart. */
function rounded(x, step) {
  const decimals = step > 0 ? Math.max(0, Math.min(9, Math.floor(-Math.log10(step)))) : 0;
  return String(Number(x.toFixed(decimals))).replace("-", "−");
}

/** Return kernel `number` of a layer as maps, coloured by its own largest weight. */
function kernelOf({ w, shape }, number) {
  const [, C, H, W] = shape,
    scale = w.scale[number];
  const entry = (map, row, column) => w.codes[((number * C + map) * H + row) * W + column] * scale;
  return { C, H, W, entry, range: [-127 * scale || -1, 127 * scale || 1] };
}

/** Return the part of some maps in a window that may reach over their border: null there. */
function cut(maps, top, left, height, width, first = 0, C = maps.C) {
  const inside = (row, column) => row >= 0 && row < maps.H && column >= 0 && column < maps.W;
  const entry = (map, row, column) =>
    inside(top + row, left + column) ? maps.entry(first + map, top + row, left + column) : null;
  return { ...maps, C, H: height, W: width, entry };
}

/** Return the maps with the range of their own largest size, for cut ones. */
function ownRange(maps) {
  const { C, H, W, entry, range } = maps;
  let top = 0;
  for (let map = 0; map < C; map++)
    for (let at = 0; at < H * W; at++)
      top = Math.max(top, Math.abs(entry(map, Math.floor(at / W), at % W) ?? 0));
  return { ...maps, range: [range[0] < 0 ? -(top || 1) : 0, top || 1] };
}

/** Return the place and value of the largest entry of a map. */
function strongest(maps, map) {
  let best = { map, row: 0, column: 0, value: -Infinity };
  for (let row = 0; row < maps.H; row++)
    for (let column = 0; column < maps.W; column++) {
      const value = maps.entry(map, row, column);
      if (value > best.value) best = { map, row, column, value };
    }
  return best;
}

/** Draw a picture of H×W pixels at x, y; shade(row, column) is red, green and blue, or null. */
function paint(pen, x, y, { H, W }, zoom, shade) {
  const small = element("canvas", { width: W, height: H }),
    ink = small.getContext("2d"),
    image = ink.createImageData(W, H);
  for (let at = 0; at < H * W; at++) {
    const rgb = shade(Math.floor(at / W), at % W);
    if (rgb) image.data.set([...rgb.map(Math.round), 255], 4 * at);
  }
  ink.putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, x, y, W * zoom, H * zoom);
}

/** Draw maps as tiles, `across` in a row and `zoom` pixels for an entry; return their layout. */
function tiles(canvas, maps, zoom, across, gap = 2) {
  const { C, H, W, entry, range } = maps,
    wide = W * zoom + gap,
    high = H * zoom + gap;
  across = Math.max(1, Math.min(across, C));
  const pen = fresh(canvas, across * wide - gap, Math.ceil(C / across) * high - gap);
  const corner = (map) => [(map % across) * wide, Math.floor(map / across) * high];
  const shade = (value) => value !== null && colour(value, range);
  for (let map = 0; map < C; map++)
    paint(pen, ...corner(map), maps, zoom, (row, column) => shade(entry(map, row, column)));
  return { pen, corner, across, wide, high, zoom };
}

/** Draw three maps as one picture in colour; `shade` makes 0 … 255 of an entry. */
function colours(canvas, maps, zoom, shade) {
  const pen = fresh(canvas, maps.W * zoom, maps.H * zoom);
  paint(pen, 0, 0, maps, zoom, (row, column) => {
    const rgb = [0, 1, 2].map((map) => maps.entry(map, row, column));
    return !rgb.includes(null) && rgb.map(shade);
  });
  return pen;
}

/** Return the pen of an empty canvas of this size. */
function fresh(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = (width + 2 * MARGIN) * scale;
  canvas.height = (height + 2 * MARGIN) * scale;
  canvas.style.width = `${width + 2 * MARGIN}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.translate(MARGIN, MARGIN);
  return pen;
}

function outline(pen, x, y, width, height) {
  pen.lineWidth = 2;
  pen.strokeStyle = MARK;
  pen.strokeRect(x - 1, y - 1, width + 2, height + 2);
}

/** Return the place of a pointer on a canvas, in its own pixels. */
function place(canvas, event) {
  const box = canvas.getBoundingClientRect(),
    width = parseFloat(canvas.style.width);
  const shrunk = width / box.width; // on a narrow screen
  return [event.clientX - box.left, event.clientY - box.top].map((n) => n * shrunk - MARGIN);
}

function explorer(data, sheet) {
  const now = { image: 0, layer: null, map: 0, row: 0, column: 0, without: false };
  const edge = Math.floor((data.width - data.size) / 2); // of the photograph around the view
  const layerOf = (number) => data.layers[number] ?? {};
  const below = (number) =>
    number ? mapsOf(data.images[now.image].maps[number - 1]) : mapsOf(data.images[now.image].view);
  const mapOrUnit = (number) => (product(layerOf(number).shape.slice(1)) > 1 ? "map" : "unit");
  const nameBelow = (number) => (number ? layerOf(number - 1).name : "the view");

  const canvas = (label, focus = {}) => element("canvas", { "aria-label": label, ...focus });
  const photograph = canvas("the photograph", { role: "img" });
  const all = canvas("all maps of the layer: arrow keys choose one", {
    tabindex: 0,
    role: "application",
  });
  const large = canvas("the chosen map: arrow keys choose a unit", {
    tabindex: 0,
    role: "application",
  });
  const seen = element("p", { class: "note" }),
    answer = element("ol", { class: "answer" }),
    gone = element("button", { type: "button", onclick: () => change({ without: !now.without }) }),
    needs = element("p", { class: "note" }),
    heading = element("h2"),
    about = element("p", { class: "note" }),
    title = element("h2"),
    sum = element("p", { class: "sum", role: "status" }),
    parts = element("div", { class: "parts" }),
    patches = element("div", { class: "patches" }),
    patchesTitle = element("h3");

  /** Return a row of buttons of which one is chosen; arrow keys choose, too. */
  function choices(label, items, chosen, choose) {
    const buttons = items.map((item, number) =>
      element("button", { type: "button", onclick: () => choose(number) }, ...item),
    );
    const bar = element(
      "div",
      { class: "choices", role: "toolbar", "aria-label": label },
      ...buttons,
    );
    bar.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!move) return;
      choose((chosen() + move + items.length) % items.length);
      buttons[chosen()].focus();
      event.preventDefault();
    });
    const mark = () =>
      buttons.forEach((button, number) => {
        button.setAttribute("aria-pressed", number === chosen());
        button.tabIndex = number === chosen() ? 0 : -1;
      });
    return { bar, mark };
  }

  const thumbnails = data.images.map(({ name, pixels }) => {
    const small = element("canvas", { "aria-hidden": "true" }),
      zoom = Math.max(1, Math.floor(48 / data.width));
    colours(small, photo(pixels), zoom, (shade) => shade);
    small.style.width = "48px";
    return [small, element("span", {}, name)];
  });
  const images = choices(
    "photographs",
    thumbnails,
    () => now.image,
    (image) => change({ image }),
  );
  const layers = choices(
    "layers",
    data.layers.map(({ name }) => [name]),
    () => now.layer,
    (layer) => change({ layer }),
  );

  function photo(pixels) {
    const W = data.width;
    return { H: W, W, entry: (map, row, column) => pixels[(map * W + row) * W + column] };
  }

  /** Choose something; without a unit, the strongest of the map, and of all maps in a new stage. */
  function change(chosen) {
    const stage = layerOf(now.layer).stage;
    Object.assign(now, chosen);
    const maps = mapsOf(data.images[now.image].maps[now.layer]);
    if ("image" in chosen || "layer" in chosen || ("map" in chosen && !("row" in chosen))) {
      let best = strongest(maps, Math.min(now.map, maps.C - 1));
      if (!("map" in chosen) && layerOf(now.layer).stage !== stage)
        for (let map = 0; map < maps.C; map++) {
          const other = strongest(maps, map);
          if (other.value > best.value) best = other;
        }
      Object.assign(now, { map: best.map, row: best.row, column: best.column });
    }
    if ("image" in chosen || "layer" in chosen || "map" in chosen)
      now.without = Boolean(chosen.without);
    drawPhotograph();
    drawMap();
    drawUnit();
    if (Object.keys(chosen).every((key) => key === "row" || key === "column")) return;
    images.mark();
    layers.mark();
    drawAnswer();
    drawGrid();
    drawPatches();
  }

  /** Return the window of a unit in the view, [top, left, height, width], within its border. */
  function windowOf(layer, row, column) {
    const [, , , sees, step, start] = layerOf(layer).field;
    if (sees === null) return [0, 0, data.size, data.size];
    const ends = [row, column].map((at) =>
      [at * step + start, at * step + start + sees].map((n) => Math.max(0, Math.min(data.size, n))),
    );
    const [[top, bottom], [left, right]] = ends;
    return [top, left, bottom - top, right - left];
  }

  function drawPhotograph() {
    const zoom = Math.max(1, Math.floor(256 / data.width)),
      pixels = data.images[now.image].pixels;
    const pen = colours(photograph, photo(pixels), zoom, (shade) => shade);
    pen.fillStyle = "#8889"; // what the network does not see
    const [all, inner] = [data.width * zoom, data.size * zoom],
      border = edge * zoom;
    pen.beginPath();
    pen.rect(0, 0, all, all);
    pen.rect(border, border, inner, inner);
    pen.fill("evenodd");
    const [top, left, height, width] = windowOf(now.layer, now.row, now.column);
    outline(pen, border + left * zoom, border + top * zoom, width * zoom, height * zoom);
    seen.textContent =
      `The unit sees ${height}×${width} of the ${data.size}×${data.size} pixels ` +
      (data.width > data.size ? "in the middle, which are the network's view." : "of the image.");
  }

  function drawAnswer() {
    const image = data.images[now.image],
      { stage } = layerOf(now.layer),
      table = image.without[stage],
      wide = image.best.length;
    const shares = [...image.answer],
      without = (map) => table[map * wide] / 65535;
    const less =
      table && now.without ? shares.map((_, n) => table[now.map * wide + n] / 65535) : null;
    answer.replaceChildren(
      ...image.best.map((number, n) => {
        const share = less ? less[n] : shares[n],
          right = number === image.label;
        const figures = less ? `${percent(shares[n])} → ${percent(share)}` : percent(share);
        const bar = element("span", { class: "bar" });
        bar.style.width = `${100 * share}%`;
        const line = element("span", { class: "line" }, bar);
        line.style.setProperty("--before", `${100 * shares[n]}%`);
        const name = element("span", {}, data.classes[number] + (right ? " ✓" : ""));
        if (right) name.title = "what it is";
        return element("li", { class: less ? "less" : "" }, name, line, element("b", {}, figures));
      }),
    );
    gone.hidden = !table;
    needs.hidden = !table;
    if (!table) return;
    gone.textContent = now.without
      ? `Give ${mapOrUnit(stage)} ${now.map} back to ${layerOf(stage).name}`
      : `Take ${mapOrUnit(stage)} ${now.map} away from ${layerOf(stage).name}`;
    gone.setAttribute("aria-pressed", now.without);
    const order = Array.from({ length: table.length / wide }, (_, map) => map)
      .sort((a, b) => without(a) - without(b))
      .slice(0, 3);
    const link = (map) =>
      element(
        "button",
        { type: "button", class: "link", onclick: () => change({ map, without: true }) },
        `${map}: ${percent(without(map))}`,
      );
    needs.replaceChildren(
      `Which ${mapOrUnit(stage)}s does “${data.classes[image.best[0]]}” need most? `,
      `Its share without ${mapOrUnit(stage)} `,
      ...order.flatMap((map, n) => [n ? ", " : "", link(map)]),
    );
  }

  let grid, single;
  function drawGrid() {
    const maps = mapsOf(data.images[now.image].maps[now.layer]),
      { name, parameters, shape } = layerOf(now.layer);
    const [C, H, W] = shape,
      room = all.parentElement.clientWidth,
      across = (zoom) => Math.max(1, Math.floor((room + 3) / (W * zoom + 3))),
      high = (zoom) => Math.ceil(C / across(zoom)) * (H * zoom + 3);
    let zoom = Math.max(1, Math.floor(96 / W)); // as large as it fits
    while (zoom > 1 && (high(zoom) > 620 || W * zoom > room)) zoom--;
    heading.textContent = `${name}: ${H * W > 1 ? `${C} maps of ${H}×${W}` : plural(C, "unit")}`;
    about.textContent =
      (parameters ? `${plural(parameters, "number")} learned. ` : "") +
      (maps.range[0] < 0
        ? `Red is above 0, blue below; full colour is ±${short(maps.range[1], 3)}.`
        : `From black, 0, to white, ${short(maps.range[1], 3)}.`);
    grid = tiles(all, maps, zoom, across(zoom), 3);
    const [x, y] = grid.corner(now.map);
    outline(grid.pen, x, y, W * zoom, H * zoom);
  }

  function drawMap() {
    const maps = mapsOf(data.images[now.image].maps[now.layer]),
      {
        name,
        shape: [, H, W],
      } = layerOf(now.layer);
    const own = ownRange(cut(maps, 0, 0, H, W, now.map, 1)),
      size = Math.max(1, Math.floor(240 / W));
    single = tiles(large, own, Math.min(size, 60), 1);
    outline(single.pen, now.column * single.zoom, now.row * single.zoom, single.zoom, single.zoom);
    const named = now.layer === data.layers.length - 1 ? `: ${data.classes[now.map]}` : "";
    title.textContent =
      H * W > 1
        ? `${name}, map ${now.map}, row ${now.row}, column ${now.column}`
        : `${name}, unit ${now.map}${named}`;
  }

  /** Return a picture with a title, for `parts`. */
  function part(text, paint) {
    const picture = canvas(text, { role: "img" });
    paint(picture);
    return element("figure", {}, picture, element("figcaption", {}, text));
  }

  function drawUnit() {
    const { layer, map, row, column } = now,
      image = data.images[now.image],
      { kind, stage, name, field, p, n } = layerOf(layer),
      [f, stride, pad] = field;
    const maps = mapsOf(image.maps[layer]),
      value = maps.entry(map, row, column),
      input = below(layer),
      [height, width] = f === null ? [input.H, input.W] : [f, f],
      [top, left] = f === null ? [0, 0] : [row * stride - pad, column * stride - pad];
    const same = input.H === maps.H ? input.entry(map, row, column) : 0; // the same place below
    const number = (x, of = maps) => element("b", {}, of.text(x, map));
    const divided = (others) => [
      number(same, input),
      ` of ${nameBelow(layer)}`,
      value
        ? `, divided by ${short(same / value, 3)}, which grows with `
        : ": divided by more for ",
      `the squares of ${others}`,
    ];
    const made = {
      relu: () => ["max(0, ", number(same, input), `), of ${nameBelow(layer)}`],
      tanh: () => ["tanh(", number(same, input), `), of ${nameBelow(layer)}`],
      logistic: () => ["1 / (1 + e^−x) of ", number(same, input), ` in ${nameBelow(layer)}`],
      lrn: () => divided(`the same place in ${n} neighbouring maps`),
      map_lrn: () => divided(`${f}×${f} places of the same map`),
      pool: () => [`the largest of these ${f}×${f} numbers of ${nameBelow(layer)}, map ${map}`],
      average_pool: () => [
        `the mean of these ${f}×${f} numbers of ${nameBelow(layer)}, map ${map}`,
      ],
      dropout_predict: () => [
        number(same, input),
        ` of ${nameBelow(layer)}, times ${short(1 - p, 3)}`,
      ],
    };
    let told = [`computed by ${kind} from ${nameBelow(layer)}`];
    if (made[kind]) told = made[kind]();
    const figures = [];
    if (data.kernels[layer]) {
      const { w, shape, b } = data.kernels[layer],
        [K, C] = shape,
        first = Math.floor(map / (K / (input.C / C))) * C; // with groups, a kernel reads some maps
      const positive = mapsOf(image.favour[layer]),
        favour = positive.entry(map, row, column),
        bias = b[row]?.[column]?.[map] ?? b[map], // a locally connected layer has one a place
        against = favour + bias - value;
      told = [
        `the sum of ${plural(product(shape.slice(1)), "product")}: `,
        number(favour, positive),
        " of the positive ones, ",
        number(-against, positive),
        " of the negative ones, and the bias ",
        element("b", {}, short(bias, 3)),
      ];
      const window = cut(input, top, left, height, width, first, C);
      const zoom = Math.max(Math.min(14, Math.floor(90 / width)), C > 3 ? 0 : 1);
      const small = Math.max(1, Math.min(width > 1 ? 5 : 9, Math.floor(46 / width)));
      const across = Math.floor(300 / (width * small + 2));
      if (layer === 0) {
        const pixels = cut(
          photo(data.images[now.image].pixels),
          edge + top,
          edge + left,
          height,
          width,
        );
        const inside = (row, column) => window.entry(0, row, column) !== null;
        const shown = {
          ...pixels,
          entry: (map, row, column) =>
            inside(row, column) ? pixels.entry(map, row, column) : null,
        };
        figures.push(part("its window", (to) => colours(to, shown, zoom, (shade) => shade)));
        if (w) {
          const kernel = kernelOf(data.kernels[layer], map);
          const shade = (weight) => 127.5 * (1 + weight / kernel.range[1]);
          figures.push(part("its kernel", (to) => colours(to, kernel, zoom, shade)));
        }
      } else {
        const text = `its window in ${C === 1 ? "1 map" : `${C} maps`} of ${nameBelow(layer)}`;
        figures.push(part(text, (to) => tiles(to, ownRange(window), small, across)));
        const kernel = w && kernelOf(data.kernels[layer], map);
        if (w)
          figures.push(
            part("its kernel, in the same order", (to) => tiles(to, kernel, small, across)),
          );
      }
    } else if (kind === "pool" || kind === "average_pool") {
      const cells = cut(input, top, left, height, width, map, 1),
        rows = [];
      for (let i = 0; i < height; i++)
        rows.push(
          element(
            "tr",
            {},
            ...Array.from({ length: width }, (_, j) => {
              const entry = cells.entry(0, i, j);
              const won =
                kind === "pool" && entry !== null && Math.abs(entry - value) < 1e-6 + value / 99;
              return element(
                "td",
                { class: won ? "won" : "" },
                entry === null ? "·" : input.text(entry, map),
              );
            }),
          ),
        );
      figures.push(element("table", {}, ...rows));
    }
    if (
      stage !== layer &&
      stage !== null &&
      data.kernels[stage].w &&
      data.kernels[stage].shape[1] === 3
    ) {
      const kernel = kernelOf(data.kernels[stage], map);
      const shade = (weight) => 127.5 * (1 + weight / kernel.range[1]);
      figures.push(part(`${layerOf(stage).name}'s kernel`, (to) => colours(to, kernel, 14, shade)));
    }
    sum.replaceChildren(`${name} ≈ `, number(value), ": ", ...told, ".");
    parts.replaceChildren(...figures);
  }

  function drawPatches() {
    const { stage } = layerOf(now.layer);
    const found = data.patches?.places[stage];
    patchesTitle.hidden = patches.hidden = !found;
    if (!found) return;
    const { shape } = found;
    patchesTitle.textContent =
      `What excites ${mapOrUnit(stage)} ${now.map} of ${layerOf(stage).name} most, ` +
      `in ${plural(data.patches.images, "training image")}`;
    const made = [];
    for (let n = 0; n < shape[1]; n++) {
      const at = 3 * (now.map * shape[1] + n),
        [number, row, column] = found.subarray(at, at + 3);
      const [top, left, height, width] = windowOf(stage, row, column),
        label = data.patches.labels[number];
      const picture = canvas(label, { role: "img" }),
        zoom = 64 / Math.max(height, width),
        pen = fresh(picture, width * zoom, height * zoom);
      pen.imageSmoothingEnabled = false;
      const x = (number % data.across) * data.size + left,
        y = Math.floor(number / data.across) * data.size + top;
      pen.drawImage(sheet, x, y, width, height, 0, 0, width * zoom, height * zoom);
      made.push(element("figure", {}, picture, element("figcaption", {}, label)));
    }
    patches.replaceChildren(...made);
  }

  // Pointer and touch: a tile of the grid is a map, and the place in it a unit.
  all.addEventListener("pointerdown", (event) => {
    const [x, y] = place(all, event),
      { across, wide, high, zoom } = grid,
      [C, H, W] = layerOf(now.layer).shape;
    const map = Math.floor(y / high) * across + Math.min(across - 1, Math.floor(x / wide));
    if (map < 0 || map >= C) return;
    const row = Math.min(H - 1, Math.floor((y % high) / zoom)),
      column = Math.min(W - 1, Math.floor((x % wide) / zoom));
    change({ map, row, column });
  });
  const point = (event) => {
    const [x, y] = place(large, event),
      [, H, W] = layerOf(now.layer).shape;
    const row = Math.min(H - 1, Math.max(0, Math.floor(y / single.zoom))),
      column = Math.min(W - 1, Math.max(0, Math.floor(x / single.zoom)));
    if (row !== now.row || column !== now.column) change({ row, column });
  };
  large.addEventListener("pointerdown", point);
  large.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" || event.buttons) point(event);
  });

  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const keys = (act) => (event) => {
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    act(...move);
    event.preventDefault();
  };
  const within = (n, count) => Math.max(0, Math.min(count - 1, n));
  all.addEventListener(
    "keydown",
    keys((down, right) => {
      const map = now.map + right + down * grid.across;
      if (map >= 0 && map < layerOf(now.layer).shape[0]) change({ map });
    }),
  );
  large.addEventListener(
    "keydown",
    keys((down, right) => {
      const [, H, W] = layerOf(now.layer).shape;
      change({ row: within(now.row + down, H), column: within(now.column + right, W) });
    }),
  );

  const main = document.getElementById("explorer");
  main.replaceChildren(
    element("h1", {}, main.querySelector("h1").textContent),
    element(
      "p",
      {},
      `${plural(data.parameters, "parameter")} and ${plural(data.layers.length, "layer")}. Choose a ` +
        "photograph, a layer and a map, and point at a unit: where it looks, the sum that made it, and " +
        "what excites its map most. Take a map away, and see the answer change.",
    ),
    images.bar,
    layers.bar,
    element(
      "div",
      { class: "work" },
      element(
        "section",
        { "aria-label": "photograph and answer" },
        photograph,
        seen,
        answer,
        gone,
        needs,
      ),
      element("section", { "aria-label": "maps" }, heading, about, element("div", {}, all)),
      element("section", { "aria-label": "unit" }, title, large, sum, parts, patchesTitle, patches),
    ),
  );
  change({ layer: 0 });
  let width = main.clientWidth;
  new ResizeObserver(() => {
    if (main.clientWidth !== width) {
      width = main.clientWidth;
      drawGrid();
    }
  }).observe(main);
}

async function start() {
  if (typeof DecompressionStream === "undefined") return;
  const data = await content();
  const jpeg = new Blob([data.patches?.views ?? ""], { type: "image/jpeg" });
  const sheet = data.patches && (await createImageBitmap(jpeg));
  explorer(data, sheet);
}
start();
