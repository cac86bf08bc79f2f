"""The pictures of the dashboard in docs/images: ``python docs/screenshots.py``, a minute.

A real study of this repository, and searches of the synthetic objective, opened in Chromium.
"""

import io
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

from nas.study.exchange.transfer import import_study

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser, browsing  # noqa: E402
from dashboard_page import DashboardPage  # noqa: E402
from dashboards import Search, inherits, serving  # noqa: E402

IMAGES = ROOT / "docs" / "images"
REAL = ROOT / "studies" / "resnet_vs_plain-macs-4M-8M-flip-residual-2ep.sqlite"
PAGES = {  # of the file: title, study, its charts
    "progress": ("Progress", "guided", 1),
    "effect": ("Effect", "residual or plain", 1),
    "trials": ("Trials", "residual or plain", 0),
    "trial": ("Trial", "guided", 1),
    "lineage": ("Lineage", "inheriting", 1),
    "curves": ("Learning curves", "guided", 1),
    "front": ("Accuracy and cost", "resnext", 1),
    "architectures": ("Architectures", "residual or plain", 0),
    "knobs": ("Knobs", "resnext", 4),
    "pair": ("Two knobs", "resnext", 2),
    "failures": ("Failures", "guided", 0),
    "workers": ("Workers", "residual or plain", 1),
    "again": ("Run it again", "residual or plain", 0),
    "compare": ("Compare studies", None, 2),
}


def main() -> None:
    """Write one picture of each page, and of one on a phone and in the dark."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        url = "sqlite:///nas.db"
        searches(url)
        with serving(url, folder) as (address, _, _):
            with browsing(folder / "light") as browser:
                page = DashboardPage(browser, address)
                page.says("trials ended")
                browser.one("[data-testid=data-grid-canvas]")
                shoot(browser, "studies")
                for file, (title, study, charts) in PAGES.items():
                    open_page(page, title, study, charts)
                    if file == "architectures":
                        page.choose("Compare with", "0:")
                        browser.until(lambda: "≠" in browser.one(".network svg").text)
                    shoot(browser, file)
            with browsing(folder / "dark", prefers_color_scheme="dark") as browser:
                open_page(DashboardPage(browser, address), "Accuracy and cost", "resnext", 1)
                shoot(browser, "dark")
            with browsing(folder / "phone", phone=True) as browser:
                browser.open(f"{address}/front?study=resnext")
                browser.until(lambda: browser.all("svg.marks"))
                shoot(browser, "phone")


def searches(url: str) -> None:
    """The studies that are shown; the last one is at work."""
    import_study(REAL, url, "residual or plain")
    options = {"sampler": "random", "scheduler": "none", "trials": 60}
    for space in ("resnet", "resnext"):
        Search(url, space, space, **options).run()
    inherits(url, "inheriting", Path.cwd(), trials=40)
    search = Search(url, "guided", trials=60, epochs=9)
    lost = "CUDA out of memory. Tried to allocate 1.2 GiB"
    search.run(failing={3: lost, 8: "loss is not finite", 15: lost}, dying=[11], until=48)


def open_page(page: DashboardPage, title: str, study: str | None, charts: int) -> None:
    """Open it, and wait until it is drawn."""
    page.go(title, study)
    if title == "Compare studies":
        page.browser.click(page.browser.one("button[aria-label='Clear all']"))
        page.choose("Studies", "resnet", "resnext")
    page.browser.until(lambda: len(page.charts()) >= charts and page.calm())


def shoot(browser: Browser, file: str) -> None:
    """Down to the end of the page; 256 colours are enough, and a third of the size."""
    end = "return Math.max(...[...document.querySelectorAll('[data-testid=stElementContainer]')]"
    end += ".map(element => element.getBoundingClientRect().bottom))"
    browser.until(browser.still)
    shown = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB")
    scale = shown.width / int(browser.driver.execute_script("return window.innerWidth"))
    bottom = scale * (float(browser.driver.execute_script(end)) + 40)
    shown = shown.crop((0, 0, shown.width, min(shown.height, int(bottom)))).quantize(256)
    path = IMAGES / f"dashboard-{file}.png"
    shown.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    assert path.stat().st_size <= 200_000


if __name__ == "__main__":
    main()
