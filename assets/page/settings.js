// What the person at the page chose. Kept for the tab; the theme also for the next visit.

const DEFAULTS = {api_key: "", model: "", temperature: 0, max_tokens: 512, thinking: false, offer_home: true, theme: "auto"};

function stored() {
  try {
    return {theme: localStorage.getItem("mimo.theme") ?? "auto", ...JSON.parse(sessionStorage.getItem("mimo.settings") ?? "{}")};
  } catch {
    return {};  // storage is switched off: the defaults do
  }
}

export const settings = {...DEFAULTS, ...stored()};

function save() {
  try {
    sessionStorage.setItem("mimo.settings", JSON.stringify(settings));
    localStorage.setItem("mimo.theme", settings.theme);
  } catch {
    // Then the choice holds until the page is left.
  }
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const dark = settings.theme === "dark" || (settings.theme === "auto" && prefersDark.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

// Field of the dialog -> key, and how its value is read.
const FIELDS = {
  "api-key": ["api_key", (field) => field.value.trim()],
  "model-name": ["model", (field) => field.value],
  temperature: ["temperature", (field) => Math.min(2, Math.max(0, Number(field.value) || 0))],
  "max-tokens": ["max_tokens", (field) => Math.max(1, Math.floor(Number(field.value)) || DEFAULTS.max_tokens)],
  thinking: ["thinking", (field) => field.checked],
  "offer-home": ["offer_home", (field) => field.checked],
  theme: ["theme", (field) => field.value],
};

// `onChange` is called after each change.
export function connectSettings(onChange) {
  const dialog = document.getElementById("settings");
  for (const [id, [key, read]] of Object.entries(FIELDS)) {
    const field = document.getElementById(id);
    if (field.type === "checkbox") field.checked = settings[key];
    else field.value = settings[key];
    field.addEventListener("change", () => {
      settings[key] = read(field);
      save();
      showTheme();
      onChange(key);
    });
  }
  document.getElementById("open-settings").addEventListener("click", () => dialog.showModal());
  prefersDark.addEventListener("change", showTheme);
  showTheme();
}

// The names a request may ask for; the first is the model itself.
export function offerModelNames(names) {
  const field = document.getElementById("model-name");
  field.replaceChildren(...names.map((name, index) => new Option(name, index === 0 ? "" : name)));
  field.value = names.includes(settings.model) ? settings.model : "";
}
