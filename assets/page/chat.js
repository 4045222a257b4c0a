// The conversation: requests go out, reasoning, calls and answers are shown as they come, calls are carried out in the home.

import {streamChat} from "./api.js";
import {callHome, homeOffer} from "./home.js";
import {settings} from "./settings.js";

const ROUNDS_MAX = 6;  // model calls per request; more would be a loop
const REASONS = {length: "The answer was cut off at its limit.", content_filter: "The answer was filtered."};

const page = Object.fromEntries(["messages", "form", "request", "send", "stop", "usage", "session"].map((id) => [id, document.getElementById(id)]));
let history = [];    // messages after the system prompt
let running = null;  // AbortController of the request under way
const session = {requests: 0, prompt: 0, cached: 0, completion: 0, cost: 0, currency: ""};

function append(element) {
  const atEnd = page.messages.scrollHeight - page.messages.scrollTop - page.messages.clientHeight < 40;
  page.messages.append(element);
  if (atEnd) page.messages.scrollTop = page.messages.scrollHeight;
  return element;
}

export function show(kind, text) {
  const element = document.createElement("div");
  element.className = kind;
  element.textContent = text;
  return append(element);
}

// A folded block: its title stays, its text opens with a click or Enter.
function showFolded(kind, title, text) {
  const element = document.createElement("details");
  element.className = kind;
  const summary = document.createElement("summary");
  const body = document.createElement("pre");
  summary.textContent = title;
  body.textContent = text;
  element.append(summary, body);
  append(element);
  return {element, summary, body};
}

function requestBody() {
  const offer = settings.offer_home ? homeOffer() : null;
  const messages = offer ? [{role: "system", content: offer.system}, ...history] : history;
  const body = {messages, temperature: settings.temperature, max_tokens: settings.max_tokens, stream: true, stream_options: {include_usage: true},
    chat_template_kwargs: {enable_thinking: settings.thinking}};
  if (offer) body.tools = offer.tools;
  if (settings.model) body.model = settings.model;
  return body;
}

// Keeps the growing message for the history, and shows it as often as it is told to.
class Reply {
  constructor() {
    this.message = {role: "assistant", content: "", tool_calls: []};
    this.finish_reason = null;
    this.usage = null;
    this.began = performance.now();
    this.first = null;  // when the first piece came
    this.bubble = null;
    this.reasoning = null;
  }

  take(chunk) {
    this.usage = chunk.usage ?? this.usage;
    const choice = chunk.choices?.[0];
    if (!choice) return;
    this.finish_reason = choice.finish_reason ?? this.finish_reason;
    this.first ??= performance.now();
    if (choice.delta.reasoning_content) this.message.reasoning_content = (this.message.reasoning_content ?? "") + choice.delta.reasoning_content;
    this.message.content += choice.delta.content ?? "";
    for (const call of choice.delta.tool_calls ?? []) this.addCall(call);
  }

  show() {
    const reasoning = this.message.reasoning_content?.trim(), content = this.message.content.trim();
    if (reasoning) {
      this.reasoning ??= showFolded("reasoning", "Thinking…", "");
      this.reasoning.body.textContent = reasoning;
    }
    if (!content) return;
    this.bubble ??= show("bubble assistant", "");
    this.bubble.textContent = content;
    page.messages.scrollTop = page.messages.scrollHeight;
  }

  addCall(call) {
    const known = this.message.tool_calls[call.index] ??= {id: call.id, type: "function", function: {name: "", arguments: ""}};
    known.function.name += call.function?.name ?? "";
    known.function.arguments += call.function?.arguments ?? "";
  }

  end() {
    if (this.reasoning) this.reasoning.summary.textContent = `Thought (${this.usage?.completion_tokens_details?.reasoning_tokens ?? 0} tokens)`;
    if (!this.message.tool_calls.length) delete this.message.tool_calls;
    if (this.usage) this.showFigures();
    if (REASONS[this.finish_reason]) show("note", REASONS[this.finish_reason]);
  }

  showFigures() {
    const usage = this.usage, cached = usage.prompt_tokens_details?.cached_tokens ?? 0, first = this.first ?? performance.now();
    const rate = usage.completion_tokens > 1 ? ` · ${((usage.completion_tokens - 1) / Math.max(1, performance.now() - first) * 1000).toFixed(0)} tokens/s` : "";
    session.prompt += usage.prompt_tokens;
    session.cached += cached;
    session.completion += usage.completion_tokens;
    session.cost += usage.cost ?? 0;
    session.currency = usage.currency ?? session.currency;
    const text = `${usage.prompt_tokens} prompt tokens (${cached} cached), ${usage.completion_tokens} made, first after ${(first - this.began).toFixed(0)} ms${rate}`;
    page.usage.textContent = `Last: ${text}`;
    show("note figures", text);
    const hits = session.prompt ? ` (${(100 * session.cached / session.prompt).toFixed(0)} %)` : "";
    const price = session.currency ? `, ${session.cost.toPrecision(3)} ${session.currency}` : "";
    page.session.textContent = `Session: ${session.requests} requests, ${session.prompt} prompt tokens, ${session.cached} cached${hits}, ${session.completion} made${price}`;
  }
}

async function complete(signal) {
  const reply = new Reply();
  try {
    for await (const chunks of streamChat(requestBody(), signal)) {
      for (const chunk of chunks) reply.take(chunk);
      reply.show();
    }
  } finally {
    reply.end();
  }
  return reply;
}

// Carries one call out and returns the message that reports it.
export async function carryOut(call) {
  const outcome = await callHome(call.function.name, call.function.arguments);
  const title = `${call.function.name}(${call.function.arguments}) → ${outcome.text}`;
  showFolded(outcome.ok ? "call" : "call failed", title.length > 160 ? title.slice(0, 160) + "…" : title, `${call.function.arguments}\n\n${outcome.text}`);
  return {role: "tool", tool_call_id: call.id, content: outcome.text};
}

async function answer(signal) {
  for (let round = 0; round < ROUNDS_MAX; ++round) {
    const reply = await complete(signal);
    history.push(reply.message);
    if (!reply.message.tool_calls) return;
    for (const call of reply.message.tool_calls) history.push(await carryOut(call));
  }
  show("note", `Stopped after ${ROUNDS_MAX} rounds of calls.`);
}

function setRunning(controller) {
  running = controller;
  page.send.disabled = running !== null;
  page.stop.hidden = running === null;
}

async function ask(text) {
  setRunning(new AbortController());
  const kept = history.length;  // what stood before this request, restored when it fails
  try {
    session.requests++;
    history.push({role: "user", content: text});
    await answer(running.signal);
  } catch (error) {
    history.length = kept;
    const hint = error.status === 401 ? " Open the settings to enter an API key." : "";
    show("note error", error.name === "AbortError" ? "Stopped." : error.message + hint);
  } finally {
    setRunning(null);
    page.request.focus();
  }
}

function fitRequest() {
  page.request.style.height = "auto";
  page.request.style.height = `${page.request.scrollHeight + 2}px`;
}

export function clearChat() {
  running?.abort();
  history = [];
  page.messages.replaceChildren();
}

export function connectChat() {
  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = page.request.value.trim();
    if (!text || running) return;
    page.request.value = "";
    fitRequest();
    show("bubble user", text);
    ask(text);
  });
  page.request.addEventListener("input", fitRequest);
  page.request.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    page.form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) running?.abort();
  });
  page.stop.addEventListener("click", () => running?.abort());
}
