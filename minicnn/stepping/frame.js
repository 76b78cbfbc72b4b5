// What the pages of steps.js and gpu.js share: the elements of a page, lines of code, the theme.

const KEYWORDS =
  /\b(def|return|for|in|if|else|elif|while|with|not|and|or|None|True|False|raise|lambda)\b/g;

/** Return the parts of a page that steps.js and gpu.js share: its elements, and functions for them. */
function skeleton(root, label, title, what, go) {
  const [code, stage, turns] = ["code", "stage", "turns"].map((name) => element("div", { class: name }));
  const both = element("div", { class: "both" }, code, stage);
  const trail = element("nav", { class: "trail", "aria-label": "where we are" });
  const count = element("span", { class: "count" });
  const voice = element("p", { class: "voice", "aria-live": "polite" });
  const button = (text, label, act) =>
    element(
      "button",
      {
        type: "button",
        title: label,
        "aria-label": label,
        onclick: () => {
          act();
          if (!root.activeElement) body.focus({ preventScroll: true }); // the button has gone
        },
      },
      text,
    );
  const bar = element(
    "div",
    { class: "bar", role: "toolbar", "aria-label": "steps" },
    button("⇤", `first ${what} (Home)`, () => go("Home")),
    button("←", `previous ${what} (←)`, () => go("ArrowLeft")),
    button("→", `next ${what} (→)`, () => go("ArrowRight")),
    button("⇥", `last ${what} (End)`, () => go("End")),
    count,
  );
  const header = element("header", {}, trail, bar, turns);
  const attributes = { class: "stepper", tabindex: 0, "aria-label": `${title}: ${label}` };
  const body = element("section", attributes, header, both, voice);
  root.append(body);

  /** Call act(key) for a key that is not the notebook's; it returns whether the key is used. */
  const onKey = (act) =>
    body.addEventListener("keydown", (event) => {
      // keys with modifiers, such as Shift+Enter, belong to the notebook
      if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
      const inside = event.target.tagName;
      if (inside === "INPUT") {
        if (event.key !== "Tab") event.stopPropagation(); // the notebook would select another cell
        return;
      }
      if (event.key === "Enter" && ["BUTTON", "SUMMARY"].includes(inside)) return;
      if (!act(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
    });

  /** Call act() whenever the width has changed. */
  const onWidth = (act) => {
    let width = 0;
    new ResizeObserver(() => {
      if (body.clientWidth === width) return;
      width = body.clientWidth;
      act();
    }).observe(body);
  };

  /** Mark some lines of the code, and keep the last of them in view. */
  const markLines = (isNow, failed) => {
    for (const row of code.children) {
      const on = isNow(Number(row.dataset.line));
      row.classList.toggle("now", on);
      row.classList.toggle("failed", on && failed);
      if (on) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    }
    return [...code.querySelectorAll(".now")];
  };
  const scrollTo = (first, last = first) => {
    const [top, bottom] = [first?.offsetTop ?? 0, last ? last.offsetTop + last.offsetHeight : 0];
    if (top < code.scrollTop + 24 || bottom > code.scrollTop + code.clientHeight - 24)
      code.scrollTop = top - code.clientHeight / 2.5;
  };
  return { code, stage, both, trail, turns, count, voice, button, bar, header, body, onKey, onWidth, markLines, scrollTo };
}

/** Return a line of code with its number; later lines of one that is wrapped are indented further. */
function codeRow(text, line, attributes, isPlain) {
  const [, indent, words, comment] = text.match(/^(\s*)(.*?)(\s*#(?![^"]*"[^"]*$).*)?$/);
  const parts = element("code", { style: `padding-left:${indent.length + 4}ch` });
  let at = 0;
  for (const match of isPlain ? [] : words.matchAll(KEYWORDS)) {
    parts.append(words.slice(at, match.index), element("b", {}, match[0]));
    at = match.index + match[0].length;
  }
  parts.append(words.slice(at), element("i", {}, comment ?? ""));
  const number = element("span", { class: "number" }, String(line));
  return element("div", { "data-line": line, ...attributes }, number, parts);
}

const SYSTEM = matchMedia("(prefers-color-scheme: dark)");

/** Follow the notebook's theme, which Jupyter, VS Code and Colab declare differently, or the system's. */
function setTheme(host, page) {
  const { jpThemeLight, vscodeThemeKind = "" } = document.body.dataset;
  const isKnown = jpThemeLight || vscodeThemeKind || window.google?.colab;
  const isDark =
    jpThemeLight === "false" ||
    ["vscode-dark", "vscode-high-contrast"].includes(vscodeThemeKind) ||
    page.getAttribute("theme") === "dark" ||
    (!isKnown && SYSTEM.matches);
  host.dataset.theme = isDark ? "dark" : "light";
}

/** Set the theme whenever the notebook's changes, as long as the stepper is on the page. */
function followTheme(host, page) {
  setTheme(host, page);
  const observer = new MutationObserver(() =>
    host.isConnected ? setTheme(host, page) : observer.disconnect(),
  );
  for (const node of [page, document.body]) observer.observe(node, { attributes: true });
  SYSTEM.addEventListener("change", () => setTheme(host, page));
}
