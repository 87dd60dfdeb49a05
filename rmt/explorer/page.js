"use strict";
// From the numbers of rmt.explorer.data to pictures. What computes is apart from what touches the
// document, so that tests can run it without one.

const COLOURS = 6;
const colour = (k) => `var(--s${k % COLOURS})`;
const finite = (x) => x !== null && Number.isFinite(x);
const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const short = (x, digits = 3) => (finite(x) ? String(Number(x.toPrecision(digits))) : "?");
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

// --- frames -------------------------------------------------------------------------------------

/** Where the outliers of each point begin, and the largest numbers of a grid. */
function prepared(grid) {
  if (grid.first) return grid;
  let next = 0;
  grid.first = grid.count.map((n) => { const at = next; next += Math.max(n, 0); return at; });
  const edges = grid.edges.map((pair) => pair[1]).filter(finite);
  grid.edge = edges.length ? edges.reduce((a, b) => Math.max(a, b)) : 1;
  grid.largest = grid.outliers.singular_value.reduce((a, b) => Math.max(a, b), grid.edge);
  const heights = grid.laws.flatMap((law) => (law ? law.y : [])).filter(finite);
  // One height for all frames, but for densities that grow without bound at zero.
  grid.highest = heights.length ? Math.min(heights.reduce((a, b) => Math.max(a, b)), 1.6) : 1;
  return grid;
}

/** The number of a point; the last axis is the fastest. */
function pointOf(grid, at) {
  return grid.axes.reduce((point, axis, i) => point * axis.values.length + at[i], 0);
}

/** All that there is to show of a point. */
function frameOf(grid, point) {
  prepared(grid);
  const outliers = [];
  for (let k = 0; k < grid.count[point]; k++) {
    const i = grid.first[point] + k;
    const one = { overlaps: grid.overlaps[i] };
    for (const name in grid.outliers) one[name] = grid.outliers[name][i];
    one.overlap = sum(one.overlaps.filter(finite));
    outliers.push(one);
  }
  return {
    outliers,
    missing: grid.count[point] < 0,
    undecided: grid.undecided[point] === 1,
    edges: grid.edges[point],
    law: grid.laws[grid.law[point]],
    untrained: Boolean(grid.untrained[point]),
    message: grid.messages[grid.message[point]],
    code: grid.code.map((one) => one.texts[one.at ? one.at[point] : 0]).filter((text) => text),
  };
}

/** The frames along one axis through a point. */
function framesAlong(grid, at, axis) {
  return grid.axes[axis].values.map((_, i) =>
    frameOf(grid, pointOf(grid, at.map((j, k) => (k === axis ? i : j)))));
}

function summaryOf(frame) {
  if (frame.missing) return `No prediction here: ${frame.message}`;
  const n = frame.outliers.length;
  const many = `${n} outlier${n === 1 ? "" : "s"}`;
  const each = frame.outliers.map(
    (one) => `${short(one.singular_value)} (overlap ${one.overlap.toFixed(2)})`);
  const where = n ? `: ${each.join(", ")}` : `: all directions are inside the bulk`;
  const unsure = frame.undecided ? "; a spike is at the threshold, one more or less is possible" : "";
  const said = frame.message ? ` ${frame.message}` : "";
  return `${many}${where}; the bulk ends at ${short(frame.edges[1])}${unsure}.${said}`;
}

function codeOf(data, frame) {
  const given = frame.code.some((text) => text === "readout=g") ? "g = ..  # the readout that was given\n" : "";
  const level = data.method === "resummed" ? "" : `, "${data.method}"`;
  return `import rmt\n\n${given}problem = rmt.Problem(\n` +
    frame.code.map((text) => `    ${text},\n`).join("") + `)\nprint(rmt.predict(problem${level}))\n`;
}

// --- pictures -----------------------------------------------------------------------------------

const line = (x1, y1, x2, y2, more = "") => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${more}/>`;
const words = (x, y, text, more = "") => `<text x="${x}" y="${y}" ${more}>${escaped(text)}</text>`;
const path = (points, more) =>
  `<path d="${points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("")}" ${more}/>`;

/** Linear as far as the bulk reaches and logarithmic beyond, without a kink between. */
function scaleOf(edge, largest, left, right) {
  const bent = (s) => (s <= edge ? s / edge : 1 + Math.log(s / edge));
  const full = Math.max(bent(largest * 1.15), 1.2);
  return (s) => left + (right - left) * (bent(s) / full);
}

function spectrum(grid, frame, width) {
  const height = Math.min(300, Math.max(220, width * 0.4)), base = height - 34, top = 8, left = 8;
  const x = scaleOf(grid.edge, grid.largest, left, width - 8);
  const y = (density) => base - (base - top - 34) * Math.min(density / grid.highest, 1);
  const parts = [line(left, base, width - 8, base, 'class="axis"')];
  let last = -Infinity;
  for (const s of [0, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]) {
    if (s > grid.largest * 1.15 || x(s) - last < 30) continue;
    last = x(s);
    parts.push(line(last, base, last, base + 5, 'class="tick"'));
    parts.push(words(last, base + 18, s, 'text-anchor="middle"'));
  }
  parts.push(words(width - 8, height - 2, "singular value; beyond the bulk the axis is logarithmic",
    'text-anchor="end" class="faint"'));
  if (frame.edges.every(finite) && !(frame.law && frame.untrained)) {
    const [low, high] = frame.edges.map(x);
    parts.push(`<rect x="${low}" y="${y(0.4 * grid.highest)}" width="${high - low}" height="${base - y(0.4 * grid.highest)}" class="band"/>`);
    parts.push(words((low + high) / 2, base - 10, "bulk", 'text-anchor="middle"'));
  }
  if (frame.law) {
    const points = frame.law.x.map((s, i) => [x(s), y(finite(frame.law.y[i]) ? frame.law.y[i] : Infinity)]);
    const look = frame.untrained ? "bulk" : "before";
    parts.push(path([[points[0][0], base], ...points, [points.at(-1)[0], base]], `class="${look}"`));
    if (!frame.untrained) {
      const top = points.reduce((a, b) => (b[1] < a[1] ? b : a));
      parts.push(words(top[0] + 6, top[1] + 48, "before training", 'class="faint"'));
    }
  }
  let before = Infinity, level = 0;
  frame.outliers.forEach((one, k) => {
    const at = x(one.singular_value);
    level = before - at < 42 ? (level + 1) % 3 : 0;  // neighbours take turns in height
    before = at;
    const up = base - (base - top) * (0.5 + 0.16 * level);
    parts.push(line(at, base, at, up, `stroke="${colour(k)}" stroke-width="2.5"`));
    parts.push(`<circle cx="${at}" cy="${up}" r="4.5" fill="${colour(k)}"/>`);
    const anchor = at > width - 40 ? "end" : "middle";
    parts.push(words(at, up - 9, short(one.singular_value), `text-anchor="${anchor}"`));
  });
  return { height, svg: parts.join("") };
}

function bars(grid, frame, width) {
  const height = 190, base = height - 34, top = 14, left = 30;
  const most = Math.max(grid.count.reduce((a, b) => Math.max(a, b), 1), 3);
  const y = (value) => base - (base - top) * value;
  const parts = [];
  for (const value of [0, 0.5, 1]) {
    parts.push(line(left, y(value), width, y(value), 'class="tick"'));
    parts.push(words(left - 5, y(value) + 4, value, 'text-anchor="end"'));
  }
  const step = (width - left) / most, wide = Math.min(step * 0.6, 46);
  frame.outliers.forEach((one, k) => {
    const middle = left + step * (k + 0.5);
    let below = 0;
    one.overlaps.filter(finite).forEach((overlap, i) => {
      const faded = 1 - 0.35 * i;
      parts.push(`<rect x="${middle - wide / 2}" y="${y(below + overlap)}" width="${wide}" ` +
        `height="${Math.max(y(below) - y(below + overlap), 0)}" fill="${colour(k)}" fill-opacity="${faded}"/>`);
      below += overlap;
    });
    parts.push(words(middle, y(below) - 4, below.toFixed(2), 'text-anchor="middle"'));
    parts.push(words(middle, base + 16, short(one.singular_value), 'text-anchor="middle"'));
  });
  const several = grid.overlaps.some((one) => one.length > 1) ? ", directions stacked, later ones paler" : "";
  parts.push(words(width, height - 2, `outlier${several}`, 'text-anchor="end" class="faint"'));
  return { height, svg: parts.join("") };
}

/** Where the values of an axis are between 0 and 1. */
function places(axis) {
  const numbers = axis.at ? axis.at.map((v) => (axis.log ? Math.log(v) : v)) : axis.values.map((_, i) => i);
  const low = numbers.reduce((a, b) => Math.min(a, b)), high = numbers.reduce((a, b) => Math.max(a, b));
  return numbers.map((v) => (high > low ? (v - low) / (high - low) : 0.5));
}

function curves(grid, at, axis, width, what) {
  const height = 190, base = height - 34, top = 10, left = 34, right = width - 12;
  const frames = framesAlong(grid, at, axis), place = places(grid.axes[axis]);
  const x = (i) => left + (right - left) * place[i];
  const up = scaleOf(grid.edge, grid.largest, base, top);
  const y = what === "overlap" ? (value) => base - (base - top) * value : up;
  const parts = [];
  const ticks = what === "overlap" ? [0, 0.5, 1] : [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];
  let last = Infinity;
  for (const value of ticks) {
    if ((what !== "overlap" && value > grid.largest * 1.15) || last - y(value) < 16) continue;
    last = y(value);
    parts.push(line(left, last, right, last, 'class="tick"'));
    parts.push(words(left - 5, last + 4, value, 'text-anchor="end"'));
  }
  if (what !== "overlap") {
    const known = frames.map((f, i) => [i, f.edges]).filter(([, edges]) => edges.every(finite));
    const upper = known.map(([i, edges]) => [x(i), y(edges[1])]);
    const lower = known.map(([i, edges]) => [x(i), y(edges[0])]).reverse();
    if (known.length > 1) parts.push(path([...upper, ...lower], 'class="band"'));
  }
  parts.push(line(x(at[axis]), top, x(at[axis]), base, 'class="now"'));
  const most = frames.reduce((n, f) => Math.max(n, f.outliers.length), 0);
  for (let k = 0; k < most; k++) {
    let run = [];
    const flush = () => {
      if (run.length > 1) parts.push(path(run, `class="curve" stroke="${colour(k)}"`));
      run = [];
    };
    frames.forEach((f, i) => {
      if (k >= f.outliers.length) return flush();
      const point = [x(i), y(f.outliers[k][what])];
      const large = i === at[axis] ? 4.5 : 2.2;
      parts.push(`<circle cx="${point[0].toFixed(1)}" cy="${point[1].toFixed(1)}" r="${large}" fill="${colour(k)}"/>`);
      run.push(point);
      return undefined;
    });
    flush();
  }
  const labels = grid.axes[axis].values.map((v) => (v.length > 14 ? `${v.slice(0, 12)}..` : v));
  const half = (i) => 3.6 * labels[i].length + 3;
  const shown = (stride) => labels.map((_, i) => i).filter((i) => i % stride === 0);
  const fits = (all) => all.every((i, k) => !k || Math.abs(x(i) - x(all[k - 1])) >= half(i) + half(all[k - 1]));
  let stride = 1;
  while (!fits(shown(stride))) stride++;  // a label alone always fits
  for (const i of shown(stride)) {
    const anchor = i && x(i) + half(i) > width ? "end" : "middle";
    parts.push(words(x(i), base + 16, labels[i], `text-anchor="${anchor}"`));
  }
  return { height, svg: parts.join("") };
}

function tableOf(frame) {
  const r = frame.outliers.length ? frame.outliers[0].overlaps.length : 1;
  const targets = r === 1 ? ["overlap with target"] : [...Array(r).keys()].map((i) => `with direction ${i + 1}`);
  const header = ["outlier", "strength", "singular value", "left", "right", ...targets];
  const rows = frame.outliers.map((one, k) => [
    k, short(one.strength, 5), short(one.singular_value, 5),
    ...[one.left_overlap, one.right_overlap, ...one.overlaps].map((v) => (finite(v) ? v.toFixed(4) : "")),
  ]);
  const row = (cells, tag) => `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  return row(header, "th") + rows.map((cells) => row(cells, "td")).join("");
}

// --- the document -------------------------------------------------------------------------------

function start(document, window) {
  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("data").textContent);
  const chosen = {};  // value of each slider by name: kept where another number of steps has it too
  let current = data.grids.length - 1, active = "";
  const key = (axis) => axis.names.join(",");

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  /** Names with a few choices are radio buttons, all others sliders. */
  function control(name, label, values, now, change) {
    if (values.length <= 3 && values.every((value) => Number.isNaN(Number(value))) || name === "n_steps") {
      const choices = values.map((value, i) => {
        const input = make("input", { type: "radio", name, checked: i === now });
        input.addEventListener("change", () => change(i));
        return make("label", {}, input, value);
      });
      return make("fieldset", { className: "control" }, make("legend", {}, label),
        make("div", { className: "choices" }, ...choices));
    }
    const output = make("output", {}, values[now]);
    const input = make("input", { type: "range", min: 0, max: values.length - 1, step: 1, value: now, id: `slider-${name}` });
    input.setAttribute("aria-valuetext", values[now]);
    input.addEventListener("input", () => {
      output.textContent = values[input.value];
      input.setAttribute("aria-valuetext", values[input.value]);
      change(Number(input.value));
    });
    const touch = () => { active = name; draw(); };
    input.addEventListener("focus", touch);
    return make("div", { className: "control" },
      make("label", { htmlFor: input.id }, make("span", {}, label), output), input);
  }

  function position(axis) {
    const found = axis.values.indexOf(chosen[key(axis)]);
    return found < 0 ? axis.start : found;
  }

  function build() {
    const grid = data.grids[current], controls = find("controls");
    controls.replaceChildren();
    if (data.grids.length > 1) {
      const counts = data.grids.map((one) => String(one.steps));
      controls.append(control("n_steps", "steps taken", counts, current, (i) => { current = i; build(); draw(); }));
    }
    for (const axis of grid.axes) {
      controls.append(control(key(axis), axis.label, axis.values, position(axis), (i) => {
        chosen[key(axis)] = axis.values[i];
        active = key(axis);
        draw();
      }));
    }
    const reset = make("button", { type: "button" }, "back to the start");
    reset.addEventListener("click", () => {
      for (const name in chosen) delete chosen[name];
      current = data.grids.length - 1;
      build();
      draw();
    });
    controls.append(reset);
  }

  function put(id, picture, label) {
    const svg = find(id), width = Math.max(Math.round(svg.parentElement.clientWidth), 200);
    const { height, svg: content } = picture(width);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.setAttribute("aria-label", label);
    svg.innerHTML = content;
  }

  function draw() {
    const began = window.performance.now();
    const grid = prepared(data.grids[current]);
    const at = grid.axes.map(position);
    const frame = frameOf(grid, pointOf(grid, at));
    let along = grid.axes.findIndex((axis) => key(axis) === active);
    if (along < 0) along = grid.axes.length - 1;
    const summary = summaryOf(frame), name = grid.axes[along].label;
    find("summary").textContent = summary;
    find("summary").className = frame.message ? "gap" : "";
    for (const span of document.querySelectorAll(".along")) span.textContent = name;
    put("spectrum", (width) => spectrum(grid, frame, width), summary);
    put("overlaps", (width) => bars(grid, frame, width), summary);
    put("positions", (width) => curves(grid, at, along, width, "singular_value"), `positions of the outliers along ${name}`);
    put("learned", (width) => curves(grid, at, along, width, "overlap"), `overlaps with the target along ${name}`);
    find("numbers").innerHTML = tableOf(frame);
    find("code").textContent = codeOf(data, frame);
    document.body.dataset.milliseconds = (window.performance.now() - began).toFixed(1);
  }

  find("about").textContent = `${data.title}: singular values of the first layer, level ${data.method}. ` +
    `Every position of the sliders is a prediction of its own.`;
  build();
  draw();
  window.addEventListener("resize", draw);
}

if (typeof document !== "undefined") start(document, window);
else module.exports = { prepared, pointOf, frameOf, framesAlong, summaryOf, codeOf, spectrum, bars, curves, places, tableOf };
