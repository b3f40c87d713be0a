// The trials behind a cell. The address of the page names the cell and the seed, so that both can be linked.
const details = byId("details");
let chosenMetric = 0, opener = null;

function show(number, seed) {
  location.hash = seed === undefined ? `cell-${number}` : `cell-${number}-seed-${seed}`;
}

function fromAddress() {
  const found = /^#cell-(\d+)(?:-seed-(\d+))?$/.exec(location.hash);
  const cell = found && page.cells[Number(found[1])];
  if (!cell) {
    if (details.open) details.close();
    return;
  }
  const trial = cell.trials.find((each) => String(each.seed) === found[2]) || cell.trials[0];
  fill(Number(found[1]), cell, trial);
  if (!details.open) {
    opener = document.activeElement;
    details.showModal();
  }
}

details.addEventListener("close", () => {
  if (location.hash.startsWith("#cell-")) history.replaceState(null, "", location.pathname + location.search);
  if (opener && opener.isConnected) opener.focus();
});
details.addEventListener("click", (event) => { if (event.target === details) details.close(); });

function fill(number, cell, trial) {
  const kept = details.open ? details.scrollTop : 0;
  details.replaceChildren(
    element("div", { class: "head" }, swatch(cell.loss),
      element("h2", { id: "details-title" }, `${lossName(cell.loss)}, ${page.networks[cell.network]}`),
      element("button", { class: "close", onclick: () => details.close() }, "Close")),
    element("div", { class: "body" }, element("div", { class: "pair" }, summary(cell), trial ? seeds(number, cell, trial) : missing(cell)),
      ...(trial ? single(cell, trial) : [])));
  details.scrollTop = kept;
}

const missing = (cell) => element("section", {}, `No trial is finished; seeds ${cell.missing.join(", ")} are missing.`);

function summary(cell) {
  const lines = page.metrics.map((metric, place) => [metric.title, ...["before", "after"].map((scaling) => {
    const at = columnsOf(place).find((column) => [scaling, "none"].includes(page.columns[column].scaling));
    const value = at === undefined || (scaling === "after" && page.columns[at].scaling === "none") ? null : cell.scores[at];
    if (!value) return "";
    return element("span", {}, value[5] ? element("b", {}, value[0]) : value[0], value[1] ? element("small", {}, ` ± ${value[1]}`) : null,
      value[3] === null ? null : element("small", {}, ` floor ${value[3].toFixed(2)} (${value[4].toFixed(2)})`));
  })]);
  return element("section", {}, element("h3", {}, "Mean over the seeds"),
    element("div", { class: "scroll" }, plainTable(["", "As trained", "Calibrated"], lines)));
}

function seeds(number, cell, trial) {
  const columns = columnsOf(chosenMetric), metric = page.metrics[chosenMetric];
  const temperatures = cell.trials.some((each) => each.temperature !== null);
  const head = ["Seed", ...(temperatures ? ["T"] : []), ...columns.map((place) => `${metric.title} ${page.columns[place].heading}`), "Epoch", "Training"];
  const lines = cell.trials.map((each) => [
    element("button", { "aria-pressed": String(each === trial), onclick: () => show(number, each.seed) }, `seed ${each.seed}`),
    ...(temperatures ? [shown(each.temperature, 2) + each.mark] : []),
    ...columns.map((place) => shown(each.scores[place], page.columns[place].places)),
    each.epoch ? String(each.epoch) : "", each.facts.training || ""]);
  const also = cell.missing.length ? element("p", { class: "notes" }, `Missing: seeds ${cell.missing.join(", ")}.`) : null;
  return element("section", { class: "seeds" }, element("h3", {}, "Trials"), element("div", { class: "scroll" }, plainTable(head, lines)), also);
}

function single(cell, trial) {
  const parts = [], others = cell.trials.filter((each) => each !== trial);
  if (trial.diagrams.length) {
    const titles = ["as trained", `after ${page.calibration}${trial.temperature === null ? "" : `, T = ${trial.temperature}`}`];
    parts.push(element("section", {}, element("h3", {}, `Reliability on the test set, seed ${trial.seed}`),
      element("div", { class: "charts" }, trial.diagrams.map((each, place) => reliability(each, cell.loss, titles[place]))),
      element("p", { class: "notes" }, "Bars: accuracy by confidence, and the share of samples below. Red: the gap to the mean confidence. " +
        "Whiskers: the accuracy of a calibrated network in 95% of test sets; a bar that ends within them is no evidence of miscalibration.")));
  }
  if (trial.curves) {
    parts.push(element("section", {}, element("h3", {}, `Curves, seed ${trial.seed}`),
      element("div", { class: "charts" }, Object.keys(MEASURES).filter((measure) => trial.curves[1][measure]).map((measure) => curves(measure, trial, others, cell.loss))),
      element("p", { class: "notes" }, "Solid: test; dashed: validation; dotted: training; thin: the test curves of the other seeds. " +
        "Upright line: the epoch whose predictions are scored.")));
  }
  if (page.omitted) parts.push(element("p", { class: "notes" }, page.omitted));
  const facts = { key: trial.key, ...trial.facts, ...page.origins[trial.origin], ...(cell.training ? { settings: cell.training } : {}) };
  parts.push(element("section", {}, element("h3", {}, "Where the numbers come from"),
    element("dl", { class: "made" }, Object.entries(facts).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]))));
  if (cell.again.length) parts.push(command("To train this trial again", cell.again.join(trial.seed)));
  parts.push(command("To see all that is recorded", `${cell.recorded} --seed ${trial.seed}`));
  return parts;
}

function command(title, line) {
  const shownLine = element("pre", {}, element("code", {}, line));
  const copy = element("button", { class: "copy", onclick: async () => {
    try {
      await navigator.clipboard.writeText(line);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shownLine);
    }
  } }, "Copy");
  return element("section", {}, element("h3", {}, title), element("div", { class: "command" }, shownLine, copy));
}
