"""A person at the dashboard, who reads words and clicks on what has a name."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys


class DashboardPage:
    """At the front page of ``address``; each step waits until its outcome is there."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.open(address)
        self.settled("Studies")

    def settled(self, title):
        """Wait until the page whose title begins with the words ``title`` is whole."""

        def whole() -> bool:
            heads = [head.text for head in self.browser.all("h1")]
            return any(f"{head} ".startswith(f"{title} ") for head in heads) and self.calm()

        self.browser.until(whole, f"page {title}")
        assert not self.browser.all("[data-testid=stException]")

    def calm(self) -> bool:
        """Whether nothing of the page is still to be replaced."""
        running = self.browser.all("[data-testid=stApp][data-test-script-state=running]")
        return not running and not self.browser.all("[data-stale=true]")

    def go(self, title, study=None):
        if study:
            self.choose("Study", study)
        self.click(lambda: self._link(title))
        self.settled(title)

    def click(self, find):
        """Click on what ``find()`` returns, once that is there and nothing is to be replaced."""

        def clicked() -> bool:
            element = find() if self.calm() else None
            if element is not None:
                self.browser.click(element)
            return element is not None

        self.browser.until(clicked, "to be clicked")

    def choose(self, label, *options):
        """Options of a select box or of a box for several, by their first words."""
        for words in options:
            self._type(label, words)
            self.browser.until(lambda w=words: self._clicked(label, w), words)
            self.browser.until(self.calm)
            if self.browser.all("[role=option]"):  # a box for several stays open
                self.browser.one(f"input[aria-label*='{label}']").send_keys(Keys.ESCAPE)

    def enter(self, label, text):
        """Words into a box, in place of those that are there."""
        self.browser.until(self.calm)
        box = self.browser.one(f"input[aria-label='{label}']")
        self.browser.click(box)
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(text, Keys.ENTER)

    def cell(self, row, place=0):
        """Click on a cell of the table in this ``place`` of the page; row 0 is the first one."""
        self._at(place, 70, 35 * (row + 1) + 17)

    def head(self, across, place=0):
        """Click on the head of the column that is so many pixels from the left."""
        self._at(place, across, 16)

    def address(self):
        """Of the page: its path, and what stands behind it by name."""
        parts = urlsplit(self.browser.driver.current_url)
        return parts.path, dict(parse_qsl(parts.query))

    def press(self, name):
        self.click(lambda: self._button(name))

    def content(self) -> str:
        return self.browser.one("[data-testid=stMain]").text

    def says(self, words) -> str:
        """The content of the page, once ``words`` are in it and nothing moves."""

        def said() -> str | bool:
            text = self.content()
            return words in text and self.calm() and text

        return str(self.browser.until(said, words))

    def charts(self):
        """The charts that have been drawn."""
        return self.browser.all("svg.marks")

    def _at(self, place, across, down):
        """Click there in a table, once the page is still: it is put together in several goes."""
        self.browser.until(lambda: self._grid(place) and self.calm() and self.browser.still())
        grid = self._grid(place)
        self.browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", grid)
        left, top = -grid.size["width"] // 2, -grid.size["height"] // 2
        mouse = ActionChains(self.browser.driver)
        mouse.move_to_element_with_offset(grid, left + across, top + down).click().perform()

    def _grid(self, place):
        grids = self.browser.all("[data-testid=stMain] [data-testid=data-grid-canvas]")
        return grids[place] if len(grids) > place else None

    def _link(self, title):
        links = self.browser.all("[data-testid=stSidebarNav] a")
        return next((link for link in links if link.text == title), None)

    def _type(self, label, text):
        box = self.browser.one(f"input[aria-label*='{label}']")
        self.browser.click(box)
        box.send_keys(text)

    def _clicked(self, label, words) -> bool:
        """Whether the option was there; a page that was drawn anew has forgotten what was typed."""
        for option in self.browser.all("[role=option]"):
            if option.text.startswith(words):
                option.click()
                return True
        box = self.browser.one(f"input[aria-label*='{label}']")
        if words not in str(box.get_attribute("value")) and self.calm():
            self._type(label, words)
        return False

    def _button(self, name):
        buttons = self.browser.all("button")
        return next((button for button in buttons if button.text.split("\n")[-1] == name), None)

    def complaints(self) -> list[str]:
        """Of the page and of the console."""
        boxes = self.browser.all("[data-testid=stException]")
        found = [box.text for box in boxes] + self.browser.complaints()
        # a page that is opened by its own address looks for the server below that first
        return [one for one in found if "/_stcore/" not in one]
