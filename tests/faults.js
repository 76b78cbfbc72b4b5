// Return what is wrong with the looks of a page: a list of [kind, element, details], once each.
//
//   contrast   text against its background, below 4.5
//   cut        text that an ancestor with hidden overflow cuts off, or that lies outside the window
//   overlap    two pieces of text on each other
//   small      something to touch that is narrower or lower than 24 pixels; links in text are free
//   ring       no outline at the focus, or one that a scrolling ancestor cuts off
//   words      a picture without a text for those who do not see it
//   wide       the page is wider than the window

const faults = new Map();
const nameOf = (e) => e.tagName.toLowerCase() + (e.getAttribute("class") ? "." + e.getAttribute("class") : "");
const report = (kind, element, details) => faults.set(kind + nameOf(element) + details, [kind, nameOf(element), details]);
const parentOf = (element) => element.parentElement ?? element.getRootNode().host ?? null;
const ancestors = function* (element) {
  for (let up = parentOf(element); up; up = parentOf(up)) yield up;
};
const isShown = (element) =>
  element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
  !element.closest("[inert], .voice, .most, .skip");

/** Return red, green, blue (0 … 255) and alpha of a computed colour. */
function parsed(text) {
  const [a, b, c, alpha = 1] = text.match(/[\d.]+/g).map(Number);
  return text.startsWith("color(srgb") ? [255 * a, 255 * b, 255 * c, alpha] : [a, b, c, alpha];
}
const mixed = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
function background(element) {
  if (!element) return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const own = parsed(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own : mixed(own, background(parentOf(element)));
}
function luminance(rgb) {
  const [r, g, b] = rgb.map((x) => (x / 255 <= 0.03928 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(element) {
  const style = getComputedStyle(element),
    under = background(element);
  const [r, g, b, alpha] = parsed(element instanceof SVGElement ? style.fill : style.color);
  const share = [element, ...ancestors(element)].reduce((all, e) => all * getComputedStyle(e).opacity, alpha);
  const [dark, light] = [luminance(mixed([r, g, b, share], under)), luminance(under)].sort((p, q) => p - q);
  return (light + 0.05) / (dark + 0.05);
}

const overflow = (element) => getComputedStyle(element).overflowX + getComputedStyle(element).overflowY;
const scrollerOf = (element) => [...ancestors(element)].find((up) => /auto|scroll/.test(overflow(up)));

function checkText(node, placed) {
  const element = node.parentElement,
    text = node.data.trim().slice(0, 40);
  if (!text || /SCRIPT|STYLE|TEMPLATE/.test(element.tagName) || !isShown(element)) return;
  const range = document.createRange();
  range.selectNodeContents(node);
  const boxes = [...range.getClientRects()].filter((box) => box.width > 0.5 && box.height > 0.5);
  if (!boxes.length) return;
  const ratio = contrast(element);
  if (ratio < 4.5 && !element.closest(":disabled")) report("contrast", element, `${ratio.toFixed(2)}: ${text}`);
  for (const up of [element, ...ancestors(element)]) {
    if (/auto|scroll/.test(overflow(up))) break;
    const edge = up.getBoundingClientRect();
    const isCut = (box) => box.left < edge.left - 2 || box.right > edge.right + 2 || box.top < edge.top - 3 || box.bottom > edge.bottom + 3;
    if (/hidden|clip/.test(overflow(up)) && boxes.some(isCut)) report("cut", element, text);
  }
  if (getComputedStyle(element).textOverflow === "ellipsis" && element.scrollWidth > element.clientWidth)
    report("cut", element, text);
  const scroller = scrollerOf(element);
  if (!scroller && boxes.some((box) => box.right > innerWidth + 1)) report("cut", element, text);
  const floats = [element, ...ancestors(element)].some((up) => /sticky|absolute|fixed/.test(getComputedStyle(up).position));
  if (!floats && !element.closest("math")) placed.push(...boxes.map((box) => ({ box, node, element, scroller })));
}

/** Report pieces of text that lie on each other; `placed` are their lines. */
function checkOverlaps(placed) {
  placed.sort((a, b) => a.box.top - b.box.top);
  let open = [];
  for (const one of placed) {
    open = open.filter((other) => other.box.bottom > one.box.top + 2);
    for (const other of open) {
      const [a, b] = [one.box, other.box];
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left),
        high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (one.node !== other.node && one.scroller === other.scroller && wide > 2 && high > 4)
        report("overlap", one.element, `${one.node.data.trim().slice(0, 30)} / ${other.node.data.trim().slice(0, 30)}`);
    }
    open.push(one);
  }
}

function checkTarget(target) {
  const box = target.getBoundingClientRect(),
    text = target.textContent.trim().slice(0, 30);
  const isFree = target.matches("canvas, pre, .input, .formula, .stepper") || (target.tagName === "A" && !target.closest("nav"));
  if (!isFree && Math.min(box.width, box.height) < 23.5) report("small", target, text);
  target.focus({ focusVisible: true, preventScroll: true });
  const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(target);
  if (outlineStyle === "none") report("ring", target, text);
  const ring = parseFloat(outlineWidth) + parseFloat(outlineOffset),
    up = [...ancestors(target)].find((e) => /auto|scroll|hidden|clip/.test(overflow(e)));
  target.blur();
  if (!up || ring <= 0) return;
  const edge = up.getBoundingClientRect(),
    [left, top] = [edge.left + up.clientLeft, edge.top + up.clientTop];
  const isCut =
    box.left - ring < left - 0.6 ||
    (box.top - ring < top - 0.6 && up.scrollTop === 0) ||
    (box.right + ring > left + up.clientWidth + 0.6 && up.scrollWidth <= up.clientWidth + 1) ||
    (box.bottom + ring > top + up.clientHeight + 0.6 && up.scrollHeight <= up.clientHeight + 1);
  if (isCut) report("ring", target, text);
}

const placed = [];
const hosts = [...document.querySelectorAll("*")].filter((element) => element.shadowRoot);
for (const root of [document.body, ...hosts.map((host) => host.shadowRoot)]) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) checkText(walker.currentNode, placed);
  for (const image of root.querySelectorAll(":is(img, canvas, svg):not([aria-hidden])"))
    if (isShown(image) && !(image.getAttribute("alt") ?? image.getAttribute("aria-label"))) report("words", image, "");
  for (const target of root.querySelectorAll("button, input, summary, a[href], [tabindex='0']"))
    if (isShown(target)) checkTarget(target);
}
checkOverlaps(placed);
if (document.documentElement.scrollWidth > innerWidth) report("wide", document.body, String(document.documentElement.scrollWidth));
return [...faults.values()];
