"""A person at the dashboard, who reads words and clicks on what has a name."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys


class DashboardPage:
    """At the front page of ``address``; each step waits until its outcome is there."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.open(address)
        self.settled("Studies")

    def settled(self, title):
        """Wait until the page called ``title`` is whole."""

        def whole() -> bool:
            return title in [head.text for head in self.browser.all("h1")] and self.calm()

        self.browser.until(whole, f"page {title}")
        assert not self.browser.all("[data-testid=stException]")

    def calm(self) -> bool:
        """Whether nothing of the page is still to be replaced."""
        running = self.browser.all("[data-testid=stApp][data-test-script-state=running]")
        return not running and not self.browser.all("[data-stale=true]")

    def go(self, title, study=None):
        if study:
            self.choose("Study", study)
        link = self.browser.until(lambda: self._link(title))
        self.browser.click(link)
        self.settled(title)

    def choose(self, label, *options):
        """Options of a select box or of a box for several, by their first words."""
        for words in options:
            self._type(label, words)
            self.browser.until(lambda w=words: self._clicked(label, w), words)
            self.browser.until(self.calm)
            if self.browser.all("[role=option]"):  # a box for several stays open
                self.browser.one(f"input[aria-label*='{label}']").send_keys(Keys.ESCAPE)

    def press(self, name):
        self.browser.click(self.browser.until(lambda: self._button(name), name))

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
        return next((button for button in buttons if button.text == name), None)

    def complaints(self) -> list[str]:
        """Of the page and of the console."""
        boxes = self.browser.all("[data-testid=stException]")
        return [box.text for box in boxes] + self.browser.complaints()
