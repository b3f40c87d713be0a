// Round positions of at most so many marks on an axis from 0 or `low` to `high`.
function ticks(low, high, most) {
  const rough = (high - low || 1) / most;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((each) => each >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) found.push(n * step);
  return { places: found, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function svg(width, height, label, ...children) {
  return drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, ...children);
}

const line = (x1, y1, x2, y2, kind) => drawn("line", { x1, y1, x2, y2, class: kind });
const text = (x, y, content, anchor = "start", kind = "") => drawn("text", { x, y, "text-anchor": anchor, class: kind }, content);

// The losses of a network in one column: mean, seeds, and the floor of each.
function lossChart(network, place, width, open) {
  const column = page.columns[place], metric = page.metrics[column.metric], answer = page.answers[network][place];
  const rows = page.cells.map((cell, number) => ({ cell, number, value: cell.scores[place] }))
    .filter((row) => row.cell.network === network && row.value && row.value[2] !== null);
  const sign = metric.direction === "higher" ? -1 : 1;
  rows.sort((a, b) => sign * (a.value[2] - b.value[2]));
  const label = Math.min(150, width * 0.34), right = 46, step = 23, top = 4, bottom = 30;
  const all = rows.flatMap(({ cell, value }) => [value[2], value[4], ...cell.trials.map((trial) => trial.scores[place])])
    .filter((each) => each !== null);
  let low = Math.min(...all), high = Math.max(...all);
  const floors = rows.some(({ value }) => value[4] !== null);
  if (floors || low < 0.5 * high) low = Math.min(0, low);
  if (high === low) high = low + 1;
  const margin = low === 0 ? 0 : 0.05 * (high - low);
  low -= margin;
  high += 0.03 * (high - low);
  const x = (value) => label + ((value - low) / (high - low)) * (width - label - right);
  const height = top + step * rows.length + bottom, end = height - bottom;
  const marks = ticks(low, high, Math.max(2, Math.floor((width - label - right) / 70)));
  const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": `${metric.title}, ${heading(column)}: ${rows.length} losses` });
  for (const mark of marks.places) {
    chart.append(line(x(mark), top, x(mark), end, "rule"), text(x(mark), end + 15, mark.toFixed(marks.decimals), "middle", "soft"));
  }
  rows.forEach(({ cell, number, value }, position) => {
    const y = top + step * (position + 0.5), [printed, , mean, floor, upper] = value;
    const may = answer.may_be_best.includes(cell.loss);
    const seeds = cell.trials.map((trial) => trial.scores[place]).filter((each) => each !== null);
    const row = drawn("g", { class: `row l${cell.loss}`, tabindex: position ? -1 : 0, role: "button",
      "aria-label": `${lossName(cell.loss)}: ${printed}${may ? ", may be the best" : ", ruled out"}`,
      onclick: () => open(number),
      onkeydown: (event) => {
        const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
        if (event.key === "Enter" || event.key === " ") open(number);
        else if (next && next.matches(".row")) {
          row.setAttribute("tabindex", -1);
          next.setAttribute("tabindex", 0);
          next.focus();
        } else return;
        event.preventDefault();
      } });
    row.append(drawn("rect", { x: 0, y: y - step / 2, width, height: step, rx: 4, class: "hit" }));
    if (upper !== null) {
      row.append(drawn("rect", { x: x(Math.max(low, 0)), y: y - 6, width: Math.max(0, x(upper) - x(Math.max(low, 0))), height: 12, rx: 2, class: "floor" }),
        line(x(floor), y - 6, x(floor), y + 6, "floor-mean"));
    }
    row.append(drawn("circle", { cx: 8, cy: y, r: 4, class: "mean" }), clipped(lossName(cell.loss), 18, y + 4, label - 24));
    if (seeds.length > 1) for (const seed of seeds) row.append(drawn("circle", { cx: x(seed), cy: y, r: 2.4, class: "seed" }));
    row.append(drawn("circle", { cx: x(mean), cy: y, r: 5, class: may ? "mean" : "mean out" }), text(width, y + 4, mean.toFixed(column.places), "end"));
    chart.append(row);
  });
  return element("figure", {}, element("figcaption", {}, `${heading(column)}${column.scaling === "none" ? "" : `: ${metric.title}`}`), chart);
}

// A name in so much room, with its end left out if it is longer; all of it is in its title.
function clipped(name, x, y, room) {
  const most = Math.max(3, Math.floor(room / 6.6));
  const made = text(x, y, name.length > most ? `${name.slice(0, most - 1)}…` : name);
  made.append(drawn("title", {}, name));
  return made;
}

// Accuracy by confidence: [bin, samples, confidence, accuracy, low, high of the band].
function reliability([bins, filled], loss, title) {
  const width = 320, height = 270, left = 40, top = 8, side = width - left - 10, tall = 190;
  const x = (value) => left + value * side, y = (value) => top + (1 - value) * tall;
  const most = Math.max(...filled.map((each) => each[1])), total = filled.reduce((sum, each) => sum + each[1], 0);
  const chart = svg(width, height, `Reliability diagram, ${title}`);
  const group = drawn("g", { class: `l${loss}` });
  for (const mark of [0, 0.25, 0.5, 0.75, 1]) {
    group.append(line(left, y(mark), left + side, y(mark), "rule"), text(left - 5, y(mark) + 4, String(mark), "end", "soft"));
  }
  for (const [bin, count, confidence, accuracy, low, high] of filled) {
    const from = x((bin + 0.06) / bins), wide = (0.88 * side) / bins, middle = x((bin + 0.5) / bins);
    group.append(drawn("rect", { x: from, y: y(accuracy), width: wide, height: top + tall - y(accuracy), class: "bar" },
      drawn("title", {}, `${count} samples: confidence ${confidence}, accuracy ${accuracy}; if calibrated ${low} to ${high}`)));
    group.append(drawn("rect", { x: from, y: Math.min(y(accuracy), y(confidence)), width: wide, height: Math.abs(y(accuracy) - y(confidence)), class: "gap" }));
    group.append(line(middle, y(low), middle, y(high), "whisker"), line(middle - 3, y(low), middle + 3, y(low), "whisker"), line(middle - 3, y(high), middle + 3, y(high), "whisker"));
    const share = (count / most) * 34;
    group.append(drawn("rect", { x: from, y: height - 16 - share, width: wide, height: share, class: "bar" }));
  }
  group.append(line(x(0), y(0), x(1), y(1), "ideal"), line(left, height - 16, left + side, height - 16, "axis"));
  for (const mark of [0, 0.5, 1]) group.append(text(x(mark), height - 3, String(mark), "middle", "soft"));
  group.append(text(left - 5, height - 38, `${((100 * most) / total).toFixed(0)}%`, "end", "soft"));
  chart.append(group);
  return element("figure", {}, element("figcaption", {}, title), chart);
}

const MEASURES = { ece: "ECE, %", nll: "NLL, 100 × nats", error: "Error, %", loss: "Training loss" };

// A measure by epoch: of the chosen trial by part of the data, of the others on the test part alone.
function curves(measure, trial, others, loss) {
  const width = 320, height = 200, left = 42, top = 8, bottom = 30;
  const [grid, lines] = trial.curves, epochs = page.epochs[grid];
  const faint = others.filter((each) => each.curves && each.curves[1][measure] && each.curves[1][measure].test);
  const all = [...Object.values(lines[measure]).flat(), ...faint.flatMap((each) => each.curves[1][measure].test)].filter((each) => each !== null);
  if (!all.length) return null;
  const sorted = [...all].sort((a, b) => a - b);
  // The first epochs must not flatten all others.
  const high = Math.min(sorted.at(-1), 1.6 * sorted[Math.floor(0.95 * (sorted.length - 1))]) || 1, low = Math.min(0, sorted[0]);
  const first = epochs[0], last = Math.max(epochs.at(-1), first + 1);
  const x = (epoch) => left + ((epoch - first) / (last - first)) * (width - left - 8);
  const y = (value) => top + (1 - (Math.min(value, high) - low) / (high - low)) * (height - top - bottom);
  const path = (at, values, kind) => {
    let pen = "M";
    const d = values.map((value, place) => {
      if (value === null) { pen = "M"; return ""; }
      const step = `${pen}${x(at[place]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      return step;
    }).join("");
    return drawn("path", { d, class: `line ${kind}` });
  };
  const group = drawn("g", { class: `l${loss}` });
  const vertical = ticks(low, high, 4), horizontal = ticks(first, last, 5);
  for (const mark of vertical.places) {
    group.append(line(left, y(mark), width - 8, y(mark), "rule"), text(left - 5, y(mark) + 4, mark.toFixed(vertical.decimals), "end", "soft"));
  }
  for (const mark of horizontal.places.filter(Number.isInteger)) group.append(text(x(mark), height - 14, String(mark), "middle", "soft"));
  if (trial.epoch) group.append(line(x(trial.epoch), top, x(trial.epoch), height - bottom, "reported"));
  for (const other of faint) group.append(path(page.epochs[other.curves[0]], other.curves[1][measure].test, "other"));
  for (const [part, values] of Object.entries(lines[measure])) group.append(path(epochs, values, part));
  group.append(text(width - 8, height - 2, "epoch", "end", "soft"));
  return element("figure", {}, element("figcaption", {}, MEASURES[measure]), svg(width, height, `${MEASURES[measure]} by epoch`, group));
}
