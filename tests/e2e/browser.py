# SPDX-License-Identifier: MIT
"""A headless Chromium: what a page is once its scripts have run."""

import re
import subprocess
from html.parser import HTMLParser

_ARGV = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--no-default-browser-check",
         "--hide-scrollbars", "--window-size=1400,1500",
         # In the page's own time: it is loaded, asks, and draws.
         "--virtual-time-budget=12000"]
_SECONDS = 120


def look(url, profile, *options):
    """The document as it stands in the end."""
    done = subprocess.run([*_ARGV, f"--user-data-dir={profile}", *options, "--dump-dom", url], capture_output=True,
                          text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0 and "</html>" in done.stdout, done.stderr[-2000:]
    return Document(done.stdout)


class Document(HTMLParser):
    """panels: {title: {state, text, shapes, titles of classes}}, in their order; trouble and verdict of the page."""

    def __init__(self, text):
        super().__init__()
        self.panels, self.headings, self.body = {}, [], {}
        self.verdict = ""
        self.verdict_class = ""
        self._panel, self._depth, self._open = None, 0, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("meta", "link", "option", "br"):
            return
        self._open.append((tag, found))
        if tag == "body":
            self.body = found
        elif tag == "section":
            self._panel = {"state": found.get("data-state"), "text": "", "shapes": 0, "colors": []}
            self.panels[found["data-panel"]] = self._panel
        elif self._panel is not None:
            self._panel["shapes"] += tag in ("path", "rect")
            self._panel["colors"] += re.findall(r"--(green|orange|red)\b", found.get("fill") or "")
            if tag == "strong":
                self._panel["colors"].append(found.get("class"))
        if found.get("id") == "verdict":
            self.verdict_class = found["class"]

    def handle_endtag(self, tag):
        if tag in ("meta", "link", "option", "br"):
            return
        while self._open and self._open.pop()[0] != tag:
            pass
        if tag == "section":
            self._panel = None

    def handle_data(self, data):
        if self._panel is not None:
            self._panel["text"] += data
        elif self._open and self._open[-1][1].get("id") == "verdict":
            self.verdict += data
        elif self._open and self._open[-1][0] == "h2":
            self.headings.append(data)
