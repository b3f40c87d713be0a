// Elements are made of text alone: no markup is ever parsed.
const page = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const swatch = (loss) => element("span", { class: `swatch l${loss}` });
const lossName = (loss) => page.losses[loss];
const shown = (value, places) => (value === null ? "n/a" : value.toFixed(places));

function heading(column) {
  if (column.scaling === "none") return page.metrics[column.metric].title;
  return column.scaling === "before" ? "As trained" : `After ${page.calibration}`;
}

const columnsOf = (metric) => page.columns.map((_, place) => place).filter((place) => page.columns[place].metric === metric);

// A table of texts and elements, whose first cell of each line is its heading. `kind` is a class of its cells.
function plainTable(head, lines, attributes = {}, kind = null) {
  return element("table", attributes,
    element("thead", {}, element("tr", {}, head.map((text) => element("th", { scope: "col", class: kind }, text)))),
    element("tbody", {}, lines.map(([first, ...rest]) =>
      element("tr", {}, element("th", { scope: "row" }, first), rest.map((text) => element("td", { class: kind }, text))))));
}
