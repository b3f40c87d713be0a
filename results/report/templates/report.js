// The first answer, for the chosen score and network.
const REAL = { yes: "Yes", partly: "In part", no: "No", unknown: "Not known" };

function card(answer, place) {
  const entries = [["By how much?", answer.much], ["Is that real?", null], ["At what error?", answer.error], ["Noise floor", answer.floor]].filter(([, value]) => value !== "");
  return element("article", { class: "answer", "data-column": place },
    element("p", { class: "kicker" }, heading(page.columns[place])),
    element("p", { class: "best" }, swatch(answer.best), element("strong", {}, lossName(answer.best)), element("span", {}, answer.value)),
    element("dl", {}, entries.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, ...(value === null ? verdict(answer) : [value]))])));
}

function verdict(answer) {
  const names = answer.real === "partly" ? element("span", { class: "names" }, ` ${answer.may_be_best.map(lossName).join(", ")}.`) : null;
  return [element("span", { class: `pill ${answer.real}` }, REAL[answer.real]), answer.why, names].filter(Boolean);
}

function legend(floors) {
  const mark = (kind) => drawn("svg", { width: 12, height: 12, viewBox: "0 0 12 12", class: "l0", "aria-hidden": "true" }, drawn("circle", { cx: 6, cy: 6, r: 4.4, class: kind }));
  const floor = drawn("svg", { width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" }, drawn("rect", { width: 26, height: 12, rx: 2, class: "floor" }), line(15, 0, 15, 12, "floor-mean"));
  return element("p", { class: "legend" }, element("span", {}, mark("mean"), "mean, may be the best"), element("span", {}, mark("mean out"), "mean, ruled out"),
    element("span", {}, mark("seed"), "a seed"), floors ? element("span", {}, floor, "up to the 95% point of a calibrated network, with its mean") : null);
}

function answers(metric, network) {
  const columns = columnsOf(metric).filter((place) => page.answers[network][place]);
  for (const id of ["answers", "plots"]) byId(id).classList.toggle("one", columns.length < 2);
  byId("answers").replaceChildren(...columns.map((place) => card(page.answers[network][place], place)));
  byId("about").textContent = `${page.networks[network]}. ${page.metrics[metric].about}`;
  const room = byId("plots").clientWidth, narrow = room < 640;
  const width = Math.max(280, columns.length < 2 || narrow ? Math.min(room, 760) : (room - 16) / 2);
  const floors = page.cells.some((cell) => cell.network === network && columns.some((place) => cell.scores[place] && cell.scores[place][4] !== null));
  byId("plots").replaceChildren(...columns.map((place) => lossChart(network, place, width, show)));
  if (columns.length) byId("plots").append(legend(floors));
  else byId("answers").append(element("p", { class: "notes" }, "This score is not defined for this network: choose another."));
}

function overview(metric, choose) {
  const table = byId("overview");
  if (!table) return;
  const columns = columnsOf(metric);
  const lines = page.networks.map((title, network) => [
    element("button", { onclick: () => choose(network) }, title),
    ...columns.flatMap((place) => {
      const answer = page.answers[network][place];
      if (!answer) return ["", ""];
      return [element("span", {}, swatch(answer.best), ` ${lossName(answer.best)} ${answer.value}`),
        element("span", {}, element("span", { class: `pill ${answer.real}` }, REAL[answer.real]), element("small", {}, `${answer.may_be_best.length} may be best`))];
    })]);
  const head = ["Network", ...columns.flatMap((place) => [heading(page.columns[place]), "Is that real?"])];
  table.replaceChildren(...plainTable(head, lines, {}, "text").children);
}

if (page.cells.length) {
  const table = scoreTable(show), metric = byId("metric"), network = byId("network");
  const update = () => {
    chosenMetric = Number(metric.value);
    const chosen = network ? Number(network.value) : 0;
    answers(chosenMetric, chosen);
    overview(chosenMetric, (number) => { network.value = number; update(); byId("answer").scrollIntoView(); });
    table.choose(chosenMetric);
  };
  metric.addEventListener("change", update);
  if (network) network.addEventListener("change", update);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; update(); } });
  addEventListener("hashchange", fromAddress);
  update();
  fromAddress();
}
