// The table of all scores: sorted, filtered, and walked through by keys.
function scoreTable(open) {
  const grid = byId("grid");
  if (!grid) return { sort() {}, choose() {} };
  const body = grid.tBodies[0], rows = [...body.rows];
  const cellOf = (row) => page.cells[Number(row.dataset.cell)];
  let by = "", down = false, current = null;

  function keyOf(row, name) {
    const cell = cellOf(row);
    if (name === "loss") return cell.loss;
    if (name === "network") return cell.network;
    if (name === "seeds") return cell.trials.length;
    const value = cell.scores[Number(name)];
    return value && value[2];
  }

  function sort(name, falling) {
    by = name;
    down = falling;
    for (const head of grid.querySelectorAll("th[data-by]")) {
      if (head.dataset.by === by) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const place = new Map(rows.map((row, number) => [row, number]));
    const order = [...rows].sort((one, other) => {
      const a = keyOf(one, by), b = keyOf(other, by);
      // Undefined scores are last either way.
      if (a === null || b === null) return (a === null) - (b === null) || place.get(one) - place.get(other);
      return (down ? b - a : a - b) || place.get(one) - place.get(other);
    });
    body.append(...order);
  }

  function filter() {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean), only = byId("only-best").checked;
    const columns = columnsOf(Number(grid.dataset.metric));
    let count = 0;
    for (const row of rows) {
      const cell = cellOf(row);
      const name = `${lossName(cell.loss)} ${page.networks[cell.network]}`.toLowerCase();
      const best = columns.some((place) => {
        const answer = page.answers[cell.network][place];
        return answer && answer.may_be_best.includes(cell.loss);
      });
      const fits = words.every((word) => name.includes(word)) && (!only || best);
      row.classList.toggle("hidden", !fits);
      count += fits;
    }
    byId("shown").textContent = count === rows.length ? "" : `${count} of ${rows.length} rows`;
    byId("nothing").classList.toggle("hidden", count > 0);
  }

  function focus(target) {
    if (current) current.tabIndex = -1;
    current = target;
    current.tabIndex = 0;
    current.focus();
  }

  function walk(event) {
    const from = event.target.closest("td, tbody th");
    if (!from) return;
    const row = from.parentElement;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      open(Number(row.dataset.cell));
      return;
    }
    const visible = (cells) => [...cells].filter((cell) => cell.offsetParent !== null);
    const lines = visible(body.rows), across = visible(row.cells);
    const line = lines.indexOf(row), column = across.indexOf(from);
    const there = { ArrowRight: [line, column + 1], ArrowLeft: [line, column - 1], ArrowDown: [line + 1, column],
      ArrowUp: [line - 1, column], Home: [line, 0], End: [line, across.length - 1] }[event.key];
    if (!there) return;
    event.preventDefault();
    const next = lines[there[0]] && visible(lines[there[0]].cells)[there[1]];
    if (next) focus(next);
  }

  for (const row of rows) for (const cell of row.cells) cell.tabIndex = -1;
  if (rows.length) {
    current = rows[0].cells[0];
    current.tabIndex = 0;
  }
  for (const head of grid.querySelectorAll("th[data-by]")) {
    head.querySelector("button").addEventListener("click", () => {
      const name = head.dataset.by, column = page.columns[Number(name)];
      const rising = !column || page.metrics[column.metric].direction !== "higher";
      sort(name, by === name ? !down : !rising);
    });
  }
  body.addEventListener("keydown", walk);
  body.addEventListener("click", (event) => {
    const cell = event.target.closest("td, th");
    if (cell) {
      focus(cell);
      open(Number(cell.parentElement.dataset.cell));
    }
  });
  byId("filter").addEventListener("input", filter);
  byId("only-best").addEventListener("change", filter);
  return { sort, choose(metric) { grid.dataset.metric = metric; filter(); } };
}
