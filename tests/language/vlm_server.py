"""A vision-language model on loopback, as a process of its own: ``python vlm_server.py CONFIG.json``.

It speaks the OpenAI chat-completions protocol: an answer that satisfies the JSON schema sent with the
request, drawn from the picture's checksum, so that the same picture always gets the same words. It serves
`slots` requests at a time, each for `latency_s`, and lets others wait: it can answer slots / latency_s a
second, no more. Faults come by rate, or one after the other as a script says. ``GET /stats`` counts, ``GET
/log`` gives the requests, ``POST /script`` takes the faults of the next requests, ``POST /configure`` changes
the rest, ``POST /forget`` begins all counts anew.

`VlmServer` starts one and talks to it.
"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

FAULTS = ("slow", "429", "500", "cut", "not_json", "wrong_words", "refusal", "no_usage", "fenced", "prose")
"""Those drawn by rate; scripts also know 429_date, 503, 408, 400, 401, 403, 404, quota, filter, redirect,
hang, empty, not_protocol, error_200, ignored, length and near_words; those who word reports know invents,
denies, drops, repeats and moves, too."""

DENIALS = {
    "500": (500, {"error": {"message": "the model crashed", "code": 500}}),
    "503": (503, {"error": {"message": "loading model"}}),
    "408": (408, {"error": {"message": "request timed out"}}),
    "400": (400, {"error": {"message": "response_format is not supported", "code": "bad_request"}}),
    "401": (401, {"error": {"message": "Incorrect API key provided: {key}", "code": "invalid_api_key"}}),
    "403": (403, {"error": {"message": "your country is not supported"}}),
    "404": (404, {"error": {"message": "model 'absent' not found"}}),
    "quota": (429, {"error": {"message": "you exceeded your quota", "code": "insufficient_quota"}}),
    "filter": (400, {"error": {"message": "the prompt triggered the filter", "code": "content_filter"}}),
    "error_200": (200, {"error": {"message": "the provider is overloaded"}}),
    "not_protocol": (200, {"hello": "world"}),
}
NEAR = {"location": "Top-Left", "boundary": "well-defined", "area_percentage": "12 %"}


class State:
    def __init__(self, config: dict) -> None:
        self.lock = threading.Lock()
        self.now = 0
        self.forget()
        self.configure(
            {"slots": 0, "latency_s": 0.0, "rate": 0.0, "seed": 0, "kinds": list(FAULTS), "key": None}
            | {"retry_after_s": 0.1, "slow_s": 0.5, "record": True, "model": "served-model"}
            | config
        )

    def forget(self) -> None:
        self.script: list[str] = []
        self.log: list[dict] = []
        self.tries: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.after_answer: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.peak = 0
        self.first_s = self.last_s = 0.0

    def configure(self, config: dict) -> None:
        vars(self).update(config)
        if "slots" in config:
            self.gate = threading.BoundedSemaphore(self.slots) if self.slots else None

    def fault(self, digest: str) -> str:
        """The next of the script, or one drawn by seed, picture and how often it was asked about."""
        with self.lock:
            self.tries[digest] += 1
            self.after_answer[digest] += self.answered[digest] > 0
            draw = random.Random(f"{self.seed} {digest} {self.tries[digest]}")
            drawn = draw.choice(self.kinds) if draw.random() < self.rate else "none"
            kind = self.script.pop(0) if self.script else drawn
            self.faults[kind] += kind != "none"
            return kind

    def stats(self) -> dict:
        with self.lock:
            return {
                "requests": self.tries.total(),
                "by_image": dict(self.tries),
                "answered": dict(self.answered),
                "after_answer": self.after_answer.total(),
                "faults": {kind: count for kind, count in self.faults.items() if count},
                "peak": self.peak,
                "seconds": self.last_s - self.first_s,
            }


def pictures(messages: list[dict]) -> list[str]:
    parts = [part for one in messages if isinstance(one["content"], list) for part in one["content"]]
    return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]


def obey(schema: dict, draw: random.Random) -> object:
    """A value that satisfies a JSON schema."""
    if "enum" in schema:
        return draw.choice(schema["enum"])
    if schema["type"] == "object":
        return {name: obey(part, draw) for name, part in schema["properties"].items()}
    if schema["type"] == "number":
        return round(draw.uniform(1, schema.get("maximum", 100)), 1)
    return "seen"


def words(draw: random.Random, kind: str) -> dict:
    """What a model that was not constrained writes."""
    where = draw.choice(["upper left", "centre", "lower right"])
    seen = {"location": where, "boundary": "clear", "area_percentage": draw.randint(2, 60)}
    seen["characteristics"] = {"shape": "oval", "texture": "smooth", "brightness": "brighter"}
    seen |= {"confidence": "high", "remarks": ""}
    if kind == "near_words":
        return seen | NEAR
    return seen | ({"boundary": "quixotic", "area_percentage": 812} if kind == "wrong_words" else {})


def report(messages: list[dict], kind: str) -> dict:
    """Word the facts of a report: as the template has them, or with what a careless model does."""
    asked = next(one["content"] for one in messages if one["role"] == "user")
    facts = json.JSONDecoder().raw_decode(asked, asked.index("[\n"))[0]
    plain = [one["template"].replace("There is", "Seen is").replace("No ", "There is no ") for one in facts]
    told = [{"fact": one["fact"], "text": text} for one, text in zip(facts, plain, strict=True)]
    first, words = told[0], facts[0]["template"]
    if kind == "invents":
        first["text"] = f"{words[:-1]}, with a small pneumothorax and rib fractures."
    elif kind == "denies":
        first["text"] = f"No {facts[0]['finding_in_words']}."
    elif kind == "moves":
        sides = {"left": "right", "right": "left"}
        first["text"] = " ".join(sides.get(word, word) for word in words.split())
    elif kind == "drops":
        told = told[:-1]
    elif kind == "repeats":
        told.append(first)
    return {"sentences": told}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    state: State

    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        found = {"/stats": self.state.stats, "/log": lambda: self.state.log}.get(self.path)
        self.reply(404 if found is None else 200, {} if found is None else found())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path in ("/script", "/configure", "/forget"):
            with self.state.lock:
                if self.path == "/script":
                    self.state.script = body
                elif self.path == "/forget":
                    self.state.forget()
                else:
                    self.state.configure(body)
            self.reply(200, {})
            return
        if urlsplit(self.path).path != "/v1/chat/completions":
            self.reply(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        self.chat(body)

    def chat(self, body: dict) -> None:
        state = self.state
        shown = pictures(body["messages"])
        content = shown[0] if shown else json.dumps(body["messages"][:2])
        digest = hashlib.sha256(content.encode()).hexdigest()
        kind, at_s = state.fault(digest), time.monotonic()
        if state.record:
            with state.lock:
                state.log.append(
                    {
                        "body": body,
                        "headers": dict(self.headers),
                        "digest": digest,
                        "fault": kind,
                        "at_s": at_s,
                    }
                )
        if state.key is not None and self.headers.get("Authorization") != f"Bearer {state.key}":
            kind = "401"
        with state.lock:
            state.now += 1
            state.peak = max(state.peak, state.now)
            state.first_s = state.first_s or time.monotonic()
        try:
            self.answer(kind, body, digest, len(shown))
        finally:
            with state.lock:
                state.now -= 1
                state.last_s = time.monotonic()

    def answer(self, kind: str, body: dict, digest: str, shown: int) -> None:
        if kind in ("429", "429_date"):
            later = self.state.retry_after_s
            value = f"{later:g}" if kind == "429" else formatdate(time.time() + later, usegmt=True)
            self.reply(429, {"error": {"message": "too many requests"}}, {"Retry-After": value})
        elif kind == "redirect":
            self.reply(307, {}, {"Location": "http://elsewhere.example/v1/chat/completions"})
        elif kind == "hang":
            time.sleep(30)
        elif kind in DENIALS:
            status, said = DENIALS[kind]
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            self.reply(status, json.loads(json.dumps(said).replace("{key}", key)))
        else:
            self.serve(kind, body, digest, shown)

    def serve(self, kind: str, body: dict, digest: str, shown: int) -> None:
        state = self.state
        if state.gate is not None:
            state.gate.acquire()
        try:
            time.sleep(state.latency_s + (state.slow_s if kind == "slow" else 0.0))
        finally:
            if state.gate is not None:
                state.gate.release()
        data = json.dumps(self.completion(kind, body, digest, shown)).encode()
        if kind == "cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if kind == "not_json":
            data = data[: len(data) // 2]
        if kind not in ("not_json", "wrong_words", "refusal", "empty", "length"):
            with state.lock:
                state.answered[digest] += 1
        self.reply(200, data)

    def completion(self, kind: str, body: dict, digest: str, shown: int) -> dict:
        draw = random.Random(digest)
        form = body.get("response_format") or {"type": "text"}
        free = kind in ("wrong_words", "near_words", "ignored", "fenced", "prose")
        schema = form.get("json_schema", form).get("schema")
        if "sentences" in (schema or {}).get("properties", {}):
            seen = report(body["messages"], kind)
        else:
            seen = words(draw, kind) if schema is None or free else obey(schema, draw)
        text = json.dumps(seen)
        if kind == "fenced" or (form["type"] == "text" and not free):
            text = f"Here is what I see:\n```json\n{text}\n```\nI hope this helps."
        text = {"prose": f"Looking at it, {text} is my answer.", "empty": "", "length": text[:40]}.get(
            kind, text
        )
        text = "The picture shows a lesion in the upper left." if kind == "ignored" else text
        message: dict = {"role": "assistant", "content": text}
        if kind == "refusal":
            message |= {"content": None, "refusal": "I cannot help with medical images."}
        told = sum(len(str(one["content"])) for one in body["messages"] if isinstance(one["content"], str))
        usage = {"prompt_tokens": 200 + told // 4 + 500 * shown, "completion_tokens": max(1, len(text) // 4)}
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "model": self.state.model, "choices": []}
        reason = "length" if kind == "length" else "stop"
        answer["choices"] = [{"index": 0, "message": message, "finish_reason": reason}]
        return answer if kind == "no_usage" else answer | {"usage": usage}

    def reply(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address) -> None:
        """A client that went away is no news."""


class VlmServer:
    """A server in its own process, started by ``with``; the configuration is as in `State`."""

    def __init__(self, **config) -> None:
        self.config = config
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> VlmServer:
        command = [sys.executable, "-I", str(Path(__file__).resolve()), json.dumps(self.config)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.root = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"
        self.endpoint = f"{self.root}/v1"
        return self

    def __exit__(self, *error) -> None:
        self.stop()
        self.process.stdout.close()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _call(self, path: str, body: object = None):
        data = None if body is None else json.dumps(body).encode()
        with self._opener.open(urllib.request.Request(f"{self.root}{path}", data=data)) as answer:
            return json.load(answer)

    def stats(self) -> dict:
        return self._call("/stats")

    def log(self) -> list[dict]:
        return self._call("/log")

    def forget(self) -> None:
        """Begin all counts anew."""
        self._call("/forget", [])

    def script(self, *kinds: str) -> None:
        self._call("/script", list(kinds))

    def configure(self, **config) -> None:
        self._call("/configure", config)


if __name__ == "__main__":
    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    server = Server(("127.0.0.1", given.pop("port", 0)), Handler)
    Handler.state = State(given)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
