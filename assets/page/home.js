// The simulated home beside the chat. It lives in this page; the server only computes what a call does to it.

import {fetchJson} from "./api.js";

const ICONS = {
  light: "💡", switch: "🔌", fan: "🌀", cover: "🪟", lock: "🔒", climate: "🌡", media_player: "📺", vacuum: "🧹", lawn_mower: "🌱", valve: "🚰",
  car: "🚗", sensor: "📈", binary_sensor: "📟", person: "🧑", scene: "✨", script: "▶", todo: "📝", weather: "⛅", timer: "⏲",
};
const LIT = new Set(["on", "open", "unlocked", "playing", "cleaning", "mowing", "heat", "cool", "charging"]);
const EXTRAS = {
  brightness: (v) => `${v}%`, color: (v) => v, color_temperature: (v) => `${v} K`, position: (v) => `${v}%`, percentage: (v) => `${v}%`,
  temperature: (v) => `→ ${v}°`, current_temperature: (v) => `${v}°`, volume_level: (v) => `🔊 ${v}%`, media_title: (v) => v, battery_level: (v) => `${v}%`,
  charge_limit: (v) => `limit ${v}%`, destination: (v) => `→ ${v}`,
};

const rooms = document.getElementById("rooms");
const speaker = document.getElementById("speaker");
let home = null;   // as the server describes it
let offer = null;  // {system, tools} for this home and the speaker's place

// What a device shows beside its name.
function stateText(device) {
  const attributes = device.attributes ?? {};
  const parts = [device.state ?? ""];
  if (attributes.unit_of_measurement) parts[0] += ` ${attributes.unit_of_measurement}`;
  for (const [key, format] of Object.entries(EXTRAS)) if (attributes[key] !== undefined && attributes[key] !== "") parts.push(format(attributes[key]));
  if (Array.isArray(attributes.items)) parts.push(attributes.items.map((item) => item.summary ?? item).join(", ") || "empty");
  return parts.filter(Boolean).join(" · ");
}

function deviceElement(device, previous) {
  const row = document.createElement("div");
  row.className = "device" + (LIT.has(device.state) ? " on" : "");
  row.dataset.id = device.id;
  for (const [kind, text] of [["icon", ICONS[device.domain] ?? "•"], ["name", device.name], ["state", stateText(device)]]) {
    const span = document.createElement("span");
    span.className = kind;
    if (kind === "icon") span.setAttribute("aria-hidden", "true");
    span.textContent = text;
    row.append(span);
  }
  if (previous && stateText(previous) !== stateText(device)) {
    row.classList.add("changed");
    setTimeout(() => row.classList.remove("changed"), 900);
  }
  return row;
}

function roomElement(name, note, rows) {
  const room = document.createElement("div");
  room.className = "room";
  const head = document.createElement("h3");
  head.textContent = name + " ";
  const small = document.createElement("small");
  small.textContent = note;
  head.append(small);
  room.append(head, ...rows);
  return room;
}

function timerText(timer) {
  const minutes = Math.floor(timer.seconds_left / 60), seconds = String(timer.seconds_left % 60).padStart(2, "0");
  return `${minutes}:${seconds}${timer.paused ? " paused" : ""}`;
}

function showHome(previousHome) {
  const previous = new Map((previousHome?.entities ?? []).map((device) => [device.id, device]));
  const elements = [...home.areas ?? [], {id: "", name: "Elsewhere"}].map((area) => {
    const devices = (home.entities ?? []).filter((device) => (device.area ?? "") === area.id);
    const floor = (home.floors ?? []).find((candidate) => candidate.id === area.floor)?.name ?? "";
    return devices.length ? roomElement(area.name, floor, devices.map((device) => deviceElement(device, previous.get(device.id)))) : null;
  });
  const timers = (home.timers ?? []).map((timer) => deviceElement({domain: "timer", name: timer.name || "Timer", state: timerText(timer), id: "timer"}));
  if (timers.length) elements.push(roomElement("Timers", "", timers));
  rooms.replaceChildren(...elements.filter(Boolean));
}

function countTimersDown() {
  const ticking = (home?.timers ?? []).filter((timer) => !timer.paused && timer.seconds_left > 0);
  for (const timer of ticking) timer.seconds_left--;
  if (ticking.length) showHome(home);
}

// What a request offers the model: {system, tools}.
export function homeOffer() { return offer; }

export async function loadOffer() {
  offer = await fetchJson("home/prompt", {home, speaker_area: speaker.value});
}

export async function loadHome() {
  home = (await fetchJson("home")).home;
  const places = [["", "no room in particular"], ...(home.areas ?? []).map((area) => [area.name, area.name])];
  speaker.replaceChildren(...places.map(([value, label]) => new Option(label, value)));
  showHome();
  await loadOffer();
}

// Carries one call of the model out: {ok, text}.
export async function callHome(name, argumentsText) {
  try {
    const previous = home;
    const outcome = await fetchJson("home/call", {home, speaker_area: speaker.value, name, arguments: JSON.parse(argumentsText || "{}")});
    home = outcome.home;
    showHome(previous);
    return outcome;
  } catch (error) {
    return {ok: false, text: error.message};
  }
}

setInterval(countTimersDown, 1000);
