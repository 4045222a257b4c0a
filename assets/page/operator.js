// The operator's view: what the server does right now, and who used how much.

import {fetchJson} from "./api.js";
import {offerModelNames, settings} from "./settings.js";

const INTERVAL_MS = 3000;
const HISTORY_MAX = 100;  // samples: five minutes
const facts = document.getElementById("facts");
const tiles = document.getElementById("tiles");
const charts = document.getElementById("charts");
const history = [];  // {time, status}
let visible = false;
let named = "";  // the key the names of the models were loaded with

// Tokens per second between the last two samples.
function rateOf(samples, key) {
  const last = samples.at(-1), before = samples.at(-2);
  if (!before || last.status[key] === undefined) return 0;
  return Math.max(0, (last.status[key] - before.status[key]) / ((last.time - before.time) / 1000));
}

function tile(name, value) {
  const element = document.createElement("div");
  const figure = document.createElement("b");
  const label = document.createElement("span");
  element.className = "tile";
  figure.textContent = value;
  label.textContent = name;
  element.append(figure, label);
  return element;
}

function chart(name, values) {
  const largest = Math.max(1, ...values);
  const points = values.map((value, index) => `${index / Math.max(1, values.length - 1) * 100},${30 - value / largest * 28}`).join(" ");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  svg.setAttribute("viewBox", "0 0 100 32");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name} over the last minutes, now ${Math.round(values.at(-1) ?? 0)}, at most ${Math.round(largest)}`);
  line.setAttribute("points", points);
  svg.append(line);
  const element = tile(`${name}, at most ${Math.round(largest)}`, Math.round(values.at(-1) ?? 0));
  element.append(svg);
  return element;
}

function showTiles(status) {
  const percent = (part, whole) => (whole ? `${(100 * part / whole).toFixed(0)} %` : "–");
  tiles.replaceChildren(
    tile("running", status.requests_running),
    tile("waiting", status.requests_waiting),
    tile("KV blocks in use", percent(status.kv_blocks_used, status.kv_blocks_total)),
    tile("prompt tokens from the cache", percent(status.prompt_tokens_cached ?? 0, status.prompt_tokens ?? 0)),
    tile("prompt tokens", status.prompt_tokens ?? 0),
    tile("tokens made", status.completion_tokens ?? 0));
  const rates = (key) => history.map((_, index) => rateOf(history.slice(0, index + 1), key));
  charts.replaceChildren(
    chart("running requests", history.map((sample) => sample.status.requests_running)),
    chart("tokens made a second", rates("completion_tokens")),
    chart("prompt tokens a second", rates("prompt_tokens")));
}

// Column of the table: heading, field of a row, whether it is text.
const COLUMNS = [["key", "key", true], ["model", "model", true], ["day", "day", true], ["requests", "requests"], ["prompt", "prompt_tokens"],
  ["cached", "cached_tokens"], ["made", "completion_tokens"], ["reasoning", "reasoning_tokens"], ["price", "cost"]];

function row(cells, kind) {
  const element = document.createElement("tr");
  cells.forEach((text, index) => {
    const cell = document.createElement(kind);
    cell.textContent = text;
    if (COLUMNS[index][2]) cell.className = "text";
    element.append(cell);
  });
  return element;
}

function cellText(entry, field) {
  if (field === "cost") return entry.cost === undefined || entry.cost === null ? "–" : `${Number(entry.cost).toPrecision(3)} ${entry.currency ?? ""}`;
  return entry[field] ?? "–";
}

async function showUsageTable() {
  const note = document.getElementById("usage-note");
  try {
    const {data} = await fetchJson("v1/usage");
    document.querySelector("#usage-table thead").replaceChildren(row(COLUMNS.map(([heading]) => heading), "th"));
    document.querySelector("#usage-table tbody").replaceChildren(...data.map((entry) => row(COLUMNS.map(([, field]) => cellText(entry, field)), "td")));
    note.textContent = data.length ? "" : "Nothing was used yet.";
  } catch (error) {
    note.textContent = error.status === 401 || error.status === 403 ? "Usage needs a key: open the settings." : error.message;
  }
}

async function showNames() {
  if (named === `${settings.api_key} loaded`) return;
  const {data} = await fetchJson("v1/models");
  named = `${settings.api_key} loaded`;
  offerModelNames(data.map((model) => model.id));
  document.getElementById("names").replaceChildren(...data.map((model) => {
    const item = document.createElement("li");
    item.textContent = model.id;
    return item;
  }));
}

async function refresh() {
  if (document.hidden) return;
  try {
    const status = await fetchJson("status");
    history.push({time: performance.now(), status});
    if (history.length > HISTORY_MAX) history.shift();
    document.getElementById("model").textContent = status.model;
    facts.textContent = `${status.state} · context ${status.context_max} · ${status.requests_running} running, ${status.requests_waiting} waiting` +
      ` · KV ${status.kv_blocks_used}/${status.kv_blocks_total}`;
    await showNames();
    if (!visible) return;
    showTiles(status);
    await showUsageTable();
  } catch (error) {
    facts.textContent = error.status ? error.message : "the server does not answer";
  }
}

export function showOperator(shown) {
  visible = shown;
  if (shown) refresh();
}

export function watchServer() {
  setInterval(refresh, INTERVAL_MS);
  refresh();
}
