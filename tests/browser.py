"""A real browser for tests of pages: headless Chromium, driven by Selenium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "there is no Chromium; on Debian: apt-get install chromium chromium-driver"
PATIENCE = 30  # s: on a machine that does other things too
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
    # a page that asks for anything from elsewhere has an error in its console
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip

T = TypeVar("T")


class Browser:
    """A window, and what a test wants of it; every look waits until it is so."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def until(self, condition: Callable[[], T], message: str = "") -> T:
        """What ``condition`` returns, once that is true."""
        wait = WebDriverWait(
            self.driver, PATIENCE, 0.1, ignored_exceptions=[StaleElementReferenceException]
        )
        return wait.until(lambda _: condition(), message)

    def open(self, url: str) -> None:
        """Load a page; nothing is awaited."""
        self.driver.get(url)

    def all(self, css: str) -> list[WebElement]:
        """The elements that are there now."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        """The first element, once it is there."""
        return self.until(lambda: next(iter(self.all(css)), None), f"no {css}")

    def text(self) -> str:
        """All that the page says."""
        return str(self.driver.find_element(By.TAG_NAME, "body").text)

    def sees(self, words: str) -> str:
        """The text of the page, once ``words`` are in it."""
        return self.until(lambda: (text := self.text()) and words in text and text, repr(words))

    def matches(self, pattern: str) -> re.Match[str]:
        """The first match in the text of the page, once there is one."""
        return self.until(lambda: re.search(pattern, self.text()), pattern)

    def click(self, element: WebElement) -> None:
        """Click where a person would, scrolled there first."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def downloaded(self, name: str) -> Path:
        """A file, once it is there whole."""
        path = self.downloads / name
        return self.until(lambda: path.exists() and path, f"no download {name}")

    def still(self) -> bool:
        """Whether two looks at the page, one after the other, are the same."""
        return self.driver.get_screenshot_as_base64() == self.driver.get_screenshot_as_base64()

    def complaints(self) -> list[str]:
        """What the console has of errors since the last call."""
        log: list[dict[str, Any]] = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]


PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}


@contextmanager
def browsing(folder: Path, *, phone: bool = False, **emulation: str) -> Iterator[Browser]:
    """A fresh Chromium with an empty profile in ``folder``, 1280 pixels wide or a phone.

    ``emulation`` is of media features: ``prefers_color_scheme="dark"``.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={folder}/profile", "--window-size=1280,1700"):
        options.add_argument(flag)
    downloads = folder / "downloads"
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    try:
        if phone:
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in emulation.items()]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        yield Browser(driver, downloads)
    finally:
        driver.quit()
