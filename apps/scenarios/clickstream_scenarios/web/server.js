// Requests to the API. A refusal is an Error with `status` and the answer's `body`.

import { language, word } from "./words.js";

export class Refusal extends Error {
  constructor(status, body) {
    super(body.error ?? `${status}`);
    this.status = status;
    this.body = body;
  }
}

async function asked(method, path, body) {
  let answer;
  try {
    answer = await fetch(`api/${path}`, {
      method,
      headers: { Accept: "application/json", "Accept-Language": language, ...(method === "GET" ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal(0, { error: word("away") });
  }
  const text = await answer.text();
  let value = {};
  try { value = JSON.parse(text); } catch { value = { error: text.slice(0, 200) }; }
  if (!answer.ok) throw new Refusal(answer.status, value);
  return value;
}

export const get = (path) => asked("GET", path);
export const post = (path, body) => asked("POST", path, body);
export const put = (path, body) => asked("PUT", path, body);
export const remove = (path) => asked("DELETE", path);
