// Start: connects the parts and switches between the views.

import {carryOut, clearChat, connectChat, show} from "./chat.js";
import {loadHome, loadOffer} from "./home.js";
import {showOperator, watchServer} from "./operator.js";
import {connectSettings, settings} from "./settings.js";

const VIEWS = ["home", "operator"];
const main = document.querySelector("main");
let view = "home";

function showView(name) {
  view = name;
  for (const candidate of VIEWS) {
    const tab = document.getElementById(`tab-${candidate}`);
    tab.setAttribute("aria-selected", candidate === name);
    tab.tabIndex = candidate === name ? 0 : -1;
    document.getElementById(`view-${candidate}`).hidden = candidate !== name || (name === "home" && !settings.offer_home);
  }
  main.classList.toggle("chat-only", name === "home" && !settings.offer_home);
  showOperator(name === "operator");
}

function connectTabs() {
  for (const [index, name] of VIEWS.entries()) {
    const tab = document.getElementById(`tab-${name}`);
    tab.addEventListener("click", () => showView(name));
    tab.addEventListener("keydown", (event) => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      if (!step) return;
      const next = VIEWS[(index + step + VIEWS.length) % VIEWS.length];
      showView(next);
      document.getElementById(`tab-${next}`).focus();
    });
  }
}

const report = (error) => show("note error", error.message);

async function startOver() {
  clearChat();
  await loadHome();
  show("note", settings.offer_home ? "Ask for something: lights, doors, heating, music, timers, lists, the car." : "Ask for something.");
}

connectChat();
connectTabs();
connectSettings((key) => {
  if (key === "offer_home") showView(view);
  if (key === "api_key") startOver().catch(report);
});
document.getElementById("reset").addEventListener("click", () => startOver().catch(report));
document.getElementById("speaker").addEventListener("change", () => loadOffer().catch(report));
showView("home");
watchServer();
startOver().catch(report);
export {carryOut};
