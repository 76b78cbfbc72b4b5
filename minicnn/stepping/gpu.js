// The steps of a CUDA kernel: code and barriers on the left, warps and memory on the right.
//
// gpu_steps.py describes the data.  steps.js begins a page, and page.css has its looks.
//
//   lane     the number of a thread in its block; a warp is 32 of them
//   word     an entry of an array, by its index in memory order; drawn as a cell
//   sector   32 bytes, the least that a GPU moves; shared memory has 32 banks, a word wide, instead
//   warp     the chosen one: what it asks for is bright, what other warps ask for is pale

const WARP = 32,
  SECTOR = 32,
  ALL_WORDS = 4096; // a larger array shows only the rows that are asked for

function gpuStepper(data, root) {
  const total = product(data.threads),
    ids = Object.keys(data.blocks);
  let block = data.fault ? String(data.fault.block) : ids[0],
    now = 0,
    warp = 0,
    folded = true;
  const steps = () => data.blocks[block].steps;

  const { code, stage, trail, turns, count, voice, button, header, ...page } = skeleton(
    root,
    "← and → go from step to step, ↑ and ↓ from warp to warp",
    data.title,
    "step",
    (key) => go(key),
  );
  const told = element("p", { class: "note touch told", role: "status" });
  const slide = element("input", {
    type: "range",
    min: 1,
    "aria-label": "step",
    oninput: ({ target }) => show(Number(target.value) - 1),
  });
  if (data.fault) header.append(element("p", { class: "error absent" }, data.fault.text));

  function go(key) {
    const last = steps().length - 1,
      warps = Math.ceil(total / WARP);
    if (key === "ArrowUp" || key === "ArrowDown") {
      warp = Math.max(0, Math.min(warps - 1, warp + (key === "ArrowUp" ? -1 : 1)));
      return show(now);
    }
    const to = { Home: 0, End: last, ArrowLeft: now - 1, ArrowRight: now + 1 }[key];
    if (to !== undefined) return show(Math.max(0, Math.min(last, to)));
    folded = !folded; // Enter
    show(now);
  }

  function show(step) {
    now = step;
    const { source, line } = steps()[now],
      { name, file, first, lines } = data.sources[source];
    count.textContent = `${now + 1} of ${steps().length}`;
    trail.replaceChildren(
      element("strong", {}, data.title),
      element("span", { class: "file" }, `${file}:${line}`),
    );
    slide.max = steps().length;
    slide.value = now + 1;
    showBlocks();
    showCode();
    showStage();
    voice.textContent = `${name}, line ${line}: ${(lines[line - first] ?? "").trim()}`;
  }

  function showBlocks() {
    if (!turns.children.length)
      turns.append(
        ...(ids.length > 1 ? ids : []).map((id) =>
          element(
            "button",
            {
              type: "button",
              "data-block": id,
              onclick: () => {
                block = id;
                show(0);
              },
            },
            `block ${vector(data.blocks[id].position, data.grid)}`,
          ),
        ),
        element("label", { class: "slide" }, slide),
      );
    for (const one of turns.querySelectorAll("button"))
      one.setAttribute("aria-pressed", String(one.dataset.block === block));
  }

  // Code.

  function showCode() {
    const step = steps()[now],
      source = data.sources[step.source];
    if (code.dataset.source !== String(step.source)) {
      code.dataset.source = step.source;
      code.replaceChildren(...source.lines.map((text, n) => codeLine(text, source.first + n)));
    }
    code.querySelectorAll(".ptx, .barrier").forEach((old) => old.remove());
    const [row] = page.markLines((line) => line === step.line, Boolean(step.fault));
    row?.after(ptx(data.listings[step.ptx]));
    for (const [line, threads] of Object.entries(step.waiting))
      code.querySelector(`[data-line="${line}"]`)?.after(barrier(step, threads));
    page.scrollTo(row);
  }

  function codeLine(text, line) {
    const onclick = () => {
      const next = (n) => steps()[n].line === line;
      const order = [...steps().keys()].map((n) => (n + now + 1) % steps().length);
      const to = order.find(next);
      if (to !== undefined) show(to);
    };
    return codeRow(text, line, { onclick }, /^\s*("""|'''|[^=]*"""$)/.test(text));
  }

  function ptx(text) {
    const size = text ? text.split("\n").length : 0;
    const words = `PTX of this line: ${size} instruction${size === 1 ? "" : "s"}`;
    const ontoggle = ({ target }) => (folded = !target.open);
    return element(
      "details",
      { class: "ptx", ontoggle, open: folded ? undefined : "" },
      element("summary", {}, words),
      element("pre", {}, text),
    );
  }

  /** Return the line at which threads wait: those that have come stand on it. */
  function barrier(step, threads) {
    const each = total > 128 ? WARP : 1; // a mark for each thread, or for each warp
    const places = [];
    for (let lane = 0; lane < total; lane += each) {
      const waits = step.state.slice(lane, lane + each).includes("W");
      places.push(element("i", { class: waits ? "" : "gone" }));
    }
    return element(
      "div",
      { class: "barrier" },
      `${threads.toLocaleString("en")} of ${total.toLocaleString("en")} threads wait here`,
      element("div", { "aria-hidden": "true" }, ...places),
    );
  }

  // Warps and memory.

  function showStage() {
    const step = steps()[now],
      width = Math.max(260, Math.min(600, stage.clientWidth - 48 || 480));
    const running = [...step.state].flatMap((s, lane) => (s === "R" ? [lane >> 5] : []));
    const shown = running.length && !running.includes(warp) ? running[0] : warp;
    const fault = step.fault ? [element("p", { class: "error", role: "alert" }, explained())] : [];
    const used = step.accesses.map((access) => access.array);
    const rest = data.arrays.flatMap((array, n) =>
      array.space === "shared" && !used.includes(n) && contents(n, now).size ? [n] : [],
    );
    const cut = data.blocks[block].cut && now === steps().length - 1;
    stage.replaceChildren(
      ...fault,
      told,
      element(
        "div",
        { class: "arrays" },
        warps(step, shown, width),
        ...step.accesses.map((access, n) => memory(step, access.array, access, n, shown, width)),
        ...rest.map((n) => memory(step, n, null, -1, shown, width)),
      ),
      ...(cut ? [element("p", { class: "note" }, "The block goes on; this page ends here.")] : []),
    );
    tell(null);
  }

  function explained() {
    const { kind, thread, other } = data.fault,
      by = other === null ? "" : `; ${threadName(other)} is the other one`;
    return `✗ ${kind}, found by the emulator at ${threadName(thread)}${by}`;
  }

  function warps(step, shown, width) {
    const rows = Math.ceil(total / WARP),
      cell = Math.min(17, (width - 26) / WARP),
      high = rows > 16 ? 4.5 : Math.min(cell, 12),
      gap = rows > 16 ? 1 : 2;
    let drawn = "";
    for (let w = 0; w < rows; w++) {
      const y = w * (high + gap) + 1;
      let lanes = "";
      for (let lane = w * WARP; lane < Math.min(total, (w + 1) * WARP); lane++) {
        const s = step.state[lane],
          x = 24 + (lane % WARP) * cell;
        const wrong = step.fault && data.fault.thread === lane ? " wrong" : "",
          other = step.fault && data.fault.other === lane ? " other" : "";
        lanes += rect(`lane ${s === "." ? "away" : s}${wrong}${other}`, x, y, cell - 1.5, high - 0.5, {
          lane,
        });
        if (s === "W") lanes += rect("stand", x, y + high - 3, cell - 1.5, 2.5);
        if (s === "E")
          lanes += `<circle class="ended" cx="${x + cell / 2 - 1}" cy="${y + high / 2 - 1}" r="1.3"/>`;
      }
      const label = rows > 16 && w % 4 ? "" : w;
      const chosen = w === shown ? "chosen" : "";
      drawn += `<text class="${chosen}" x="19" y="${Math.max(8, y + high / 2 + 3)}" text-anchor="end">${label}</text>`;
      drawn += `<g class="${chosen ? "chosen-warp" : ""}" data-warp="${w}">${lanes}</g>`;
    }
    const picture = svg(drawn, width, rows * (high + gap) + 1, `${rows} warps of 32 threads`);
    picture.addEventListener("pointerover", ({ target }) => tell(target.dataset.lane));
    picture.addEventListener("pointerleave", () => tell(null));
    picture.addEventListener("click", ({ target }) => {
      const row = target.closest("[data-warp]");
      if (row && rows > 1) {
        warp = Number(row.dataset.warp);
        show(now);
      }
    });
    const many = rows > 1 ? `${rows} warps; ↑ ↓ or a click chooses one` : "one warp";
    const at = vector(data.blocks[block].position, data.grid);
    return element(
      "figure",
      { class: "warps" },
      element("b", {}, `block ${at}: ${total.toLocaleString("en")} threads`),
      element("i", {}, many),
      picture,
      legend(step.state),
    );
  }

  /** Return what the states that occur look like. */
  function legend(state) {
    const meanings = {
      R: ["runs this line", "run this line"],
      W: ["waits", "wait"],
      ".": ["is elsewhere", "are elsewhere"],
      E: ["has ended", "have ended"],
    };
    const parts = Object.entries(meanings).flatMap(([s, words]) => {
      const n = [...state].filter((other) => other === s).length;
      if (!n) return [];
      const cell = rect(`lane ${s === "." ? "away" : s}`, 1, 1, 10, 10),
        more = s === "W" ? rect("stand", 1, 8, 10, 2.5) : s === "E" ? rect("ended", 5, 5, 2, 2) : "";
      const icon = svg(`<g class="chosen-warp">${cell}${more}</g>`, 12, 12, "");
      return [element("span", {}, icon, `${n.toLocaleString("en")} ${words[n === 1 ? 0 : 1]}`)];
    });
    return element("p", { class: "legend" }, ...parts);
  }

  /** Return an array with the words that an access asks for, or without an access. */
  function memory(step, number, access, n, shown, width) {
    const array = data.arrays[number],
      isShared = array.space === "shared",
      values = contents(number, now + 1);
    const words = product(array.shape),
      perRow = isShared ? (WARP * 4) / array.size : rowOf(array, words);
    const asked = new Map(); // word → whether the chosen warp asks for it
    access?.at.forEach((at, k) => {
      for (let c = 0; c < access.count; c++)
        if (!asked.get(at + c)) asked.set(at + c, access.lanes[k] >> 5 === shown);
    });
    const failing = step.fault && access === step.accesses.at(-1),
      wrong = failing ? access.at[access.lanes.indexOf(data.fault.thread)] : undefined;
    const rows = rowsOf(words, perRow, asked),
      cell = Math.min(isShared ? 17 : 18, (width - 4) / perRow),
      high = Math.min(cell, rows.length > 16 ? 5.5 : 13),
      gap = isShared ? 0 : rows.length > 16 ? 1 : 2,
      top = isShared ? 13 : 2;
    const sectorOf = (word) => Math.floor((word * array.size + array.offset) / SECTOR);
    const lit = new Map();
    for (const [word, mine] of asked) if (!lit.get(sectorOf(word))) lit.set(sectorOf(word), mine);
    const range = rangeOf(values);
    let drawn = isShared ? banks(asked, array, perRow, cell) : "";
    rows.forEach((row, line) => {
      const y = top + line * (high + gap);
      if (row === null) {
        drawn += `<text x="4" y="${y + high - 1}">⋯</text>`;
        return;
      }
      let cells = "",
        boxes = "";
      for (let word = row * perRow; word < (row + 1) * perRow; word++) {
        const x = 2 + (word - row * perRow) * cell,
          mine = asked.get(word),
          isOutside = word < 0 || word >= words;
        if (isOutside && mine === undefined) continue;
        if (!isShared) {
          const sector = sectorOf(word),
            starts = word === row * perRow || sectorOf(word - 1) !== sector;
          let end = word + 1;
          while (end < (row + 1) * perRow && end < words && sectorOf(end) === sector) end++;
          if (starts && !isOutside)
            boxes += rect(
              `sector ${lit.has(sector) ? (lit.get(sector) ? "lit" : "lit far") : ""}`,
              x + 0.5, y + 0.5, (end - word) * cell - 2, high - 0.5,
            );
        }
        const value = values.get(word),
          state = mine === undefined ? "" : mine ? "asked" : isShared ? "" : "asked far";
        const fill =
          isShared && typeof value === "number" && word !== wrong
            ? `rgb(${colour(value, range).map(Math.round).join(" ")})`
            : undefined;
        const inset = isShared ? 0.5 : Math.min(2, high / 5);
        cells += rect(
          `word ${isOutside || word === wrong ? "wrong" : state} ${isShared && !fill ? "empty" : ""}`,
          x + inset, y + inset, cell - 2 * inset - (isShared ? 0 : 1), high - 2 * inset + (isShared ? 0 : 0.5),
          { word, access: n, array: number }, fill,
        );
      }
      drawn += boxes + cells;
    });
    const height = top + rows.length * (high + gap) + 2,
      size = Math.min(width, perRow * cell + 4);
    const picture = svg(drawn, size, height, `${array.name}: ${array.shape.join(" × ")}`);
    picture.style.maxWidth = `${size}px`;
    picture.addEventListener("pointerover", ({ target }) => tellWord(target.dataset, values));
    picture.addEventListener("pointerleave", () => tell(null));
    const does = access ? (access.writing ? "written" : "read") : "";
    return element(
      "figure",
      { class: `memory ${isShared ? "shared" : ""} ${access?.writing ? "made" : access ? "read" : "seen"}` },
      element("b", {}, array.name),
      element("i", {}, does),
      picture,
      element("figcaption", { class: "cost" }, ...cost(array, access, shown)),
    );
  }

  /** Return what an access costs, in words. */
  function cost(array, access, shown) {
    const isShared = array.space === "shared",
      kind = `${array.shape.join(" × ")} ${array.dtype}`;
    if (!access) return [`shared memory, ${kind}`];
    const unit = (n) => `${n.toLocaleString("en")} ${isShared ? "turn" : "sector"}${n === 1 ? "" : "s"}`;
    const said = ([got, least]) =>
      got > least
        ? [element("b", {}, unit(got)), `, where ${least.toLocaleString("en")} would do`]
        : [unit(got), ", the fewest possible"];
    const mine = access.warps.find(([w]) => w === shown),
      lanes = access.lanes.filter((lane) => lane >> 5 === shown).length,
      sum = [1, 2].map((k) => access.warps.reduce((all, one) => all + one[k], 0));
    const parts = [`${isShared ? "shared" : "global"} memory, ${kind}. `];
    if (mine) {
      const bytes = lanes * access.count * array.size;
      parts.push(`Warp ${shown} asks for ${bytes} bytes: `, ...said(mine.slice(1)), ".");
    }
    if (access.warps.length > 1)
      parts.push(` All ${access.warps.length} warps: `, ...said(sum), ".");
    return parts;
  }

  /** Return the numbers of the banks, and how many words the chosen warp wants of a busy one. */
  function banks(asked, array, perRow, cell) {
    const wanted = new Map();
    for (const [word, mine] of asked)
      if (mine) wanted.set(word % perRow, (wanted.get(word % perRow) ?? 0) + 1);
    const most = Math.max(0, ...wanted.values());
    let drawn = "";
    for (let bank = 0; bank < perRow; bank++) {
      const busy = wanted.get(bank) > 1 && array.size <= 4,
        label = busy ? wanted.get(bank) : most > 1 || bank % 4 ? "" : bank;
      drawn += `<text class="${busy ? "busy" : ""}" text-anchor="middle" x="${2 + (bank + 0.5) * cell}" y="9">${label}</text>`;
    }
    return drawn;
  }

  /** Return {word: value} of an array before this step of the block. */
  function contents(number, end) {
    const values = new Map();
    data.blocks[block].before[number]?.forEach((value, word) => values.set(word, value));
    for (const step of steps().slice(0, end))
      for (const { array, at, count: each, values: all } of step.accesses)
        if (array === number && all.length)
          at.forEach((word, k) => {
            for (let c = 0; c < each; c++) values.set(word + c, all[k * each + c]);
          });
    return values;
  }

  // What the reader points at.

  function threadName(lane) {
    const [w, h] = data.threads,
      place = [lane % w, Math.floor(lane / w) % h, Math.floor(lane / w / h)];
    return `thread ${vector(place, data.threads)}`;
  }

  function wordName(array, word) {
    const places = [];
    let left = word;
    for (const size of array.shape.slice(1).reverse()) {
      places.unshift(((left % size) + size) % size);
      left = Math.floor(left / size);
    }
    return `${array.name}[${[left, ...places].join(", ")}]`;
  }

  const does = (access) => (access.writing ? "writes" : "reads");
  const shownValue = (value) => (value === null || value === undefined ? "?" : short(value));

  function mark(selector) {
    root.querySelectorAll(".mark").forEach((one) => one.classList.remove("mark"));
    if (selector) root.querySelectorAll(selector).forEach((one) => one.classList.add("mark"));
  }

  /** Say what a thread does, and mark its words; without a thread, say what one can do. */
  function tell(lane) {
    const step = steps()[now];
    if (lane === null || lane === undefined) {
      mark("");
      told.textContent = step.accesses.length
        ? "Point at a thread to see what it asks for, or at a word of memory."
        : "Point at a thread.";
      return;
    }
    const words = { R: "runs this line", W: "waits at the barrier", E: "has ended", ".": "is elsewhere" },
      marks = [`[data-lane="${lane}"]`];
    const parts = step.accesses.flatMap((access, n) => {
      const k = access.lanes.indexOf(Number(lane));
      if (k < 0) return [];
      const said = [];
      for (let c = 0; c < access.count; c++) {
        marks.push(`[data-access="${n}"][data-word="${access.at[k] + c}"]`);
        const name = wordName(data.arrays[access.array], access.at[k] + c);
        said.push(`${name} = ${shownValue(access.values[k * access.count + c])}`);
      }
      return [` It ${does(access)} ${said.join(", ")}.`];
    });
    told.textContent = `${threadName(lane)}, lane ${lane % WARP} of warp ${lane >> 5}, ${words[step.state[lane]]}.${parts.join("")}`;
    mark(marks.join(","));
  }

  function tellWord({ word, access, array }, values) {
    if (word === undefined) return tell(null);
    const about = data.arrays[array],
      at = Number(word),
      used = steps()[now].accesses[access],
      bytes = at * about.size;
    const place =
      about.space === "shared"
        ? `bank ${(bytes / 4) % 32}`
        : `sector ${Math.floor((bytes + about.offset) / SECTOR)}`;
    const lanes = (used?.lanes ?? []).filter(
      (_, k) => at >= used.at[k] && at < used.at[k] + used.count,
    );
    const names = lanes.slice(0, 4).map(threadName).join(", "),
      by = lanes.length ? `; ${names}${lanes.length > 4 ? " …" : ""} ${lanes.length > 1 ? (used.writing ? "write" : "read") : does(used)} it` : "";
    told.textContent = `${wordName(about, at)} = ${shownValue(values.get(at))}: byte ${bytes}, ${place}${by}.`;
    mark([`[data-array="${array}"][data-word="${word}"]`, ...lanes.map((l) => `[data-lane="${l}"]`)].join(","));
  }

  page.onKey((key) => {
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Enter"].includes(key)) return false;
    if (/Up|Down/.test(key) && total <= WARP) return false; // there is one warp: the page scrolls
    go(key);
    return true;
  });
  page.onWidth(() => show(now));
  show(0);
}

/** Return a position as one writes it: 5 where there is one axis, else (5, 0). */
function vector(place, sizes) {
  const axes = sizes[2] > 1 ? 3 : sizes[1] > 1 ? 2 : 1;
  return axes === 1 ? String(place[0]) : `(${place.slice(0, axes).join(", ")})`;
}

/** Return how many words a row of the picture has: those of the last axis, or 32. */
function rowOf(array, words) {
  const last = array.shape.at(-1) ?? 1;
  return array.shape.length > 1 && last <= 64 ? last : Math.max(1, Math.min(WARP, words));
}

/** Return the rows of a picture; in a large array those that are asked for, with null for a gap. */
function rowsOf(words, perRow, asked) {
  const used = [...new Set([...asked.keys()].map((word) => Math.floor(word / perRow)))].sort((a, b) => a - b);
  const all = Math.ceil(words / perRow);
  if (words <= ALL_WORDS && all <= 64)
    return [...new Set([...Array(all).keys(), ...used])].sort((a, b) => a - b);
  const some = used.length ? used : [...Array(Math.min(24, all)).keys()];
  return some.slice(0, 24).flatMap((row, n) => (n && row > some[n - 1] + 1 ? [null, row] : [row]));
}

function rangeOf(values) {
  const numbers = [...values.values()].filter((value) => typeof value === "number");
  return [Math.min(0, ...numbers), Math.max(0, ...numbers)];
}

function rect(name, x, y, width, height, facts = {}, fill) {
  const more = Object.entries(facts).map(([key, value]) => ` data-${key}="${value}"`);
  const style = fill ? ` style="fill:${fill}"` : "";
  const [a, b, c, d] = [x, y, width, height].map((n) => Math.round(10 * n) / 10);
  return `<rect class="${name}" x="${a}" y="${b}" width="${c}" height="${d}" rx="1.5"${more.join("")}${style}/>`;
}

function svg(drawn, width, height, label) {
  const box = element("template");
  const name = label ? `role="img" aria-label="${label}"` : 'aria-hidden="true"';
  box.innerHTML = `<svg viewBox="0 0 ${width} ${height}" ${name}>${drawn}</svg>`;
  return box.content.firstChild;
}
