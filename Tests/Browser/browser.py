# SPDX-License-Identifier: Apache-2.0
"""A page in headless Chromium, by the DevTools protocol over a pipe: what it does, as one line of JSON.

    browser.py version                    says which browser there is
    browser.py facts PAGE.html            what Tests/CommandTests/ReportPageTests.swift judges
    browser.py picture PAGE.html PREFIX   PREFIX-light.png and PREFIX-dark.png
"""

import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


class Browser:
    """One tab. Commands are answered in order; what happens meanwhile is kept in `events`."""

    def __init__(self):
        program = next((path for path in map(shutil.which, NAMES) if path), None)
        if program is None:
            sys.exit("browser: needs chromium (apt-get install chromium-headless-shell)")
        self.folder = tempfile.TemporaryDirectory(prefix="oomwitness-browser-", ignore_cleanup_errors=True)
        # The browser reads commands from descriptor 3 and answers on 4.
        (their_in, ours_out), (ours_in, their_out) = os.pipe(), os.pipe()
        descriptors = [raised(one) for one in (their_in, ours_out, ours_in, their_out)]
        os.dup2(descriptors[0], 3)
        os.dup2(descriptors[3], 4)
        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb",
             "--remote-debugging-pipe", f"--user-data-dir={self.folder.name}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(3, 4))
        os.close(3)
        os.close(4)
        os.close(descriptors[0])
        os.close(descriptors[3])
        self.out, self.into = os.fdopen(descriptors[1], "wb", buffering=0), os.fdopen(descriptors[2], "rb")
        self.number, self.session, self.events, self.rest = 0, None, [], b""
        tab = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")

    def message(self):
        while b"\0" not in self.rest:
            piece = os.read(self.into.fileno(), 1 << 20)
            if not piece:
                sys.exit("browser: chromium has ended")
            self.rest += piece
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def ask(self, method, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        self.out.write(json.dumps(request).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                if "error" in message:
                    sys.exit(f"browser: {method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def open(self, path):
        self.events.clear()
        self.ask("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        self.wait("Page.loadEventFired")

    def run(self, script):
        """What a script returns."""
        told = self.ask("Runtime.evaluate", expression=f"(() => {{ {script} }})()", returnByValue=True)
        if "exceptionDetails" in told:
            sys.exit(f"browser: {told['exceptionDetails']['exception'].get('description')}")
        return told["result"].get("value")

    def shape(self, width, height=900, scheme="light", medium="screen"):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", media=medium, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if kind == "keyDown" and key == "Enter" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=13, **text)

    def click(self, selector):
        place = self.run(
            f"const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2];")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def complaints(self):
        """Errors and warnings of the console, and all that was asked for beside the page."""
        told, asked = [], []
        for event in self.events:
            method, about = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                told.append(about["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif method == "Runtime.consoleAPICalled":
                told.append(json.dumps(about["args"]))
            elif method == "Log.entryAdded" and about["entry"]["level"] in ("warning", "error"):
                told.append(about["entry"]["text"])
            elif method == "Network.requestWillBeSent" and about["type"] != "Document":
                asked.append(about["request"]["url"])
        return told, [url for url in asked if not url.startswith("data:")]

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def raised(descriptor):
    """The same at a number that is not 3 or 4."""
    higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(descriptor)
    return higher


# Lightness by WCAG 2.2, "relative luminance", and the lowest contrast of any text with what is behind it.
COLOURS = """
  const parse = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (/^rgb\\(/.test(c)) return parse(c); } return [255, 255, 255]; };
"""
GROUND = COLOURS + "return light(behind(document.querySelector('h1')));"
CONTRAST = COLOURS + """
  let least = 21;
  const beyond = new Set([...document.querySelectorAll(".kill")].slice(60));
  for (const e of document.querySelectorAll("h1, h2, h3, p, th, td, dt, dd, li, span, summary, figcaption, button, code, caption, svg text")) {
    if (beyond.has(e.closest(".kill")) || !e.getClientRects().length || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e), ink = parse(e instanceof SVGElement ? style.fill : style.color);
    const [one, two] = [light(ink), light(behind(e))];
    least = Math.min(least, (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05));
  }
  return least;
"""
OVERFLOW = "const e = document.documentElement; return e.scrollWidth - e.clientWidth;"
DRAWN = """
  return [...document.querySelectorAll(".timeline g title")].reduce((sum, title) => sum +
    title.textContent.replace(/^.*?: /, "").split(", ").reduce((all, part) => all + parseInt(part), 0), 0);
"""
# Figures with a text beside them, and headings of tables that say of what they are.
LACKING = """
  const lacks = [...document.querySelectorAll("svg, .bar")].filter(e => !e.getAttribute("aria-label")).length;
  return lacks + [...document.querySelectorAll("th")].filter(e => !e.scope).length;
"""
COLUMN = """
  const table = document.querySelector(SELECTOR).closest("table"), place = document.querySelector(SELECTOR).cellIndex;
  const rows = table.tBodies.length > 1 ? [...table.tBodies].map(b => b.rows[0]) : [...table.tBodies[0].rows];
  return [document.querySelector(SELECTOR).getAttribute("aria-sort"), rows.filter(r => r.cells[place]).map(r => r.cells[place].dataset.sort ?? r.cells[place].textContent)];
"""
SHORTENED = """
  document.querySelectorAll(".advice > li:nth-child(n+2), section:has(> .tables), .kill:nth-of-type(n+4)").forEach(e => e.remove());
  document.querySelector(".kill details").open = true;
"""
# Those with most to show.
OPEN = """
  const size = details => details.querySelector("script")?.textContent.length ?? 0;
  [...document.querySelectorAll(".kill details")].sort((a, b) => size(b) - size(a)).slice(0, 40).forEach(d => d.open = true);
"""
SCORES = """
  return [...document.querySelectorAll(".kill")].filter(k => k.querySelector("details").open).map(kill => ({
    rows: kill.querySelectorAll(".scores tbody tr").length,
    victims: [...kill.querySelectorAll(".scores tr.victim")].map(row => ({
      name: row.querySelector("th").firstChild.data,
      points: Number(row.cells[3].dataset.sort),
      parts: [...row.cells].slice(5).map(cell => Number(cell.dataset.sort)),
      bar: [...row.querySelectorAll(".bar i")].reduce((sum, piece) => sum + parseFloat(piece.style.width), 0),
      less: parseFloat(row.querySelector(".bar .less")?.style.width ?? 0),
      mark: parseFloat(row.querySelector(".bar .points")?.style.left ?? -1) })) }));
"""


def sorted_by(browser, selector, how):
    """The order of a column before, after `how` was done to its heading once, and after the second time."""
    script = COLUMN.replace("SELECTOR", json.dumps(selector))
    orders = [browser.run(script)]
    for _ in range(2):
        how()
        orders.append(browser.run(script))
    return orders


def version():
    browser = Browser()
    print(browser.ask("Browser.getVersion")["product"])
    browser.close()


def facts(path):
    browser = Browser()
    browser.shape(1280)
    began = time.monotonic()
    browser.open(path)
    told = {"seconds": time.monotonic() - began, "bytes": os.path.getsize(path)}
    told["title"] = browser.run("return document.title;")
    told["gap"] = browser.run("return document.querySelector('.gap')?.textContent ?? null;")
    told["kills"] = browser.run("return document.querySelectorAll('.kill').length;")
    told["drawn"] = browser.run(DRAWN)
    told["sums_are_first"] = browser.run(
        "const top = s => document.querySelector(s).getBoundingClientRect().top; return top('h1') < top('.kills');")
    told["foreign"] = browser.run("return [...document.querySelectorAll('img, iframe, object, embed, link:not([rel=icon])')].length;")
    if told["kills"]:
        table = ".tables th:nth-child(2)"
        told["keyboard"] = sorted_by(browser, table, lambda: (
            browser.run(f"document.querySelector('{table} button').focus();"), browser.press("Enter")))
        told["click"] = sorted_by(browser, ".kills th:nth-child(3)", lambda: browser.click(".kills th:nth-child(3) button"))
        told["open_before"] = browser.run("return document.querySelectorAll('.kill details[open]').length;")
        browser.run(OPEN)
        browser.run("return new Promise(done => requestAnimationFrame(() => setTimeout(done)));")
        time.sleep(0.5)
        told["scores"] = browser.run(SCORES)
        told["found"] = browser.run(
            "const i = document.querySelector('.tools input'), name = document.querySelector('.kill th').firstChild.data; i.value = name;"
            "i.dispatchEvent(new Event('input')); const n = document.querySelectorAll('.kill:not([hidden])').length;"
            "i.value = ''; i.dispatchEvent(new Event('input')); return {name: name, kills: n};")
    told["lacking"] = browser.run(LACKING)
    told["ground"], told["contrast"], told["overflow"] = {}, {}, {}
    for scheme in ("light", "dark"):
        browser.shape(1280, scheme=scheme)
        told["ground"][scheme] = browser.run(GROUND)
        told["contrast"][scheme] = browser.run(CONTRAST)
    browser.shape(1280, scheme="dark", medium="print")
    told["ground"]["print"] = browser.run(GROUND)
    for width in (1280, 400):
        browser.shape(width)
        told["overflow"][str(width)] = browser.run(OVERFLOW)
    browser.run("")
    told["console"], told["requests"] = browser.complaints()
    browser.close()
    print(json.dumps(told))


def picture(path, prefix):
    """The top of the page and one opened kill, as readers see them; what lies between is left out."""
    for scheme in ("light", "dark"):
        browser = Browser()
        browser.shape(1280, 1000, scheme)
        browser.open(path)
        browser.ask("Emulation.setScrollbarsHidden", hidden=True)
        browser.run(SHORTENED)
        time.sleep(0.5)
        height = browser.run("return Math.ceil(document.documentElement.scrollHeight);")
        browser.shape(1280, min(height, 2400), scheme)
        shot = browser.ask("Page.captureScreenshot", format="png")
        pathlib.Path(f"{prefix}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
        print(f"written: {prefix}-{scheme}.png", file=sys.stderr)
        browser.close()


if __name__ == "__main__":
    {"version": version, "facts": facts, "picture": picture}[sys.argv[1]](*sys.argv[2:])
