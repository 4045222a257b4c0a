// How this page talks to the server: like any other client, and only to the server that it came from.

import {settings} from "./settings.js";

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

function headers(extra) {
  return settings.api_key ? {...extra, Authorization: `Bearer ${settings.api_key}`} : {...extra};
}

async function failureOf(reply) {
  const text = await reply.text();
  try {
    return new ApiError(JSON.parse(text).error.message, reply.status);
  } catch {
    return new ApiError(`HTTP ${reply.status}`, reply.status);
  }
}

// GET, or POST when there is a body.
export async function fetchJson(path, body) {
  const reply = await fetch(path, body ? {method: "POST", headers: headers({"Content-Type": "application/json"}), body: JSON.stringify(body)} : {headers: headers()});
  if (!reply.ok) throw await failureOf(reply);
  return reply.json();
}

// The chunks of a streamed chat completion, in arrays as they came over the network. Between two arrays the page gets a
// turn: where a fast model's reply is always there already, reading it would otherwise keep keys and clicks waiting.
export async function* streamChat(body, signal) {
  const reply = await fetch("v1/chat/completions", {method: "POST", signal, headers: headers({"Content-Type": "application/json"}), body: JSON.stringify(body)});
  if (!reply.ok) throw await failureOf(reply);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    pending += value;
    const lines = pending.split("\n");
    pending = lines.pop();
    const chunks = [];
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const chunk = JSON.parse(line.slice(6));
      if (chunk.error) {
        yield chunks;
        throw new ApiError(chunk.error.message, 200);
      }
      chunks.push(chunk);
    }
    yield chunks;
    await new Promise((resolve) => setTimeout(resolve));
  }
}
