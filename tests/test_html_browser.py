"""The HTML pages in a real Chromium without a window: clicks, keys, modes, and that nothing runs or loads that should not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_formats import HOSTILE, hostile
from test_html import PAGES, many, replayed, timed

from compile_doctor.render import html_format
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1280,900"),
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("there is no Chromium with its chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Tab:
    """One page, opened."""

    def __init__(self, driver: Any, folder: Path, text: str) -> None:
        self.driver = driver
        self.path = folder / "page.html"
        self.path.write_text(text, encoding="utf-8")
        driver.get_log("browser")
        self.load()

    def load(self, fragment: str = "") -> None:
        self.driver.get("about:blank")
        self.driver.get(self.path.as_uri() + fragment)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def some(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def shown(self, selector: str) -> list[str]:
        return [one.text for one in self.some(selector) if one.is_displayed()]

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def log(self) -> list[dict[str, Any]]:
        """Errors, and what the policy has stopped."""
        return self.driver.get_log("browser")


@pytest.fixture
def opened(chromium, tmp_path):
    made: list[Tab] = []

    def opened(text: str) -> Tab:
        made.append(Tab(chromium, tmp_path, text))
        return made[-1]

    yield opened
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def three_deep() -> Report:
    return replayed("2.13.0/break-rope-scale-three-deep")


def with_times() -> Report:
    from helpers import evidence

    return make_report(evidence(compilations=(timed(0, 1_000_000, 2_000), timed(1, 3_500_000, 1_000))))


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_a_page_opens_without_an_error_and_loads_nothing(opened, made):
    tab = opened(made())
    assert tab.log() == []
    assert tab.run("return performance.getEntriesByType('resource').length") == 0
    assert tab.run("return document.scripts.length") == 1
    assert tab.one("h1").is_displayed() and tab.one(".verdict").is_displayed()


def test_what_a_page_holds_cannot_run_or_load_anything(opened):
    """Elements that a hole in the escaping would let in are stopped by the policy."""
    holes = '<img src="https://x.invalid/a.png"><script>document.title = "ran"</script><p style="color:red" onclick="document.title = \'ran\'">x</p>'
    tab = opened(html_format.render(three_deep()).replace("</header>", f"{holes}</header>"))
    tab.one("header p[onclick]").click()
    assert tab.run("return document.title") != "ran"
    assert tab.run("return performance.getEntriesByType('resource').filter((one) => one.transferSize).length") == 0
    stopped = " ".join(one["message"] for one in tab.log())
    assert (
        all(f"{kind}-src" in stopped for kind in ("img", "script", "style"))
        or stopped.count("Content Security Policy") >= 3
    )


def test_hostile_text_is_shown_and_does_nothing(opened):
    tab = opened(html_format.render(hostile()))
    assert tab.log() == []
    assert "<script>alert(1)</script> <b>bold</b> &amp; <!-- c -->" in tab.one("main").text
    assert tab.some("main b, main img, main script") == []
    assert HOSTILE[7][:10] in tab.one("main").text


def test_a_click_on_a_break_in_the_picture_leads_to_its_finding(opened):
    tab = opened(html_format.render(three_deep()))
    tab.one("svg.frames a").click()
    assert tab.run("return location.hash") == "#finding-1"
    assert tab.run("return document.querySelector('#finding-1').getBoundingClientRect().top < innerHeight")


def test_typing_a_word_leaves_the_findings_that_have_it(opened):
    tab = opened(html_format.render(many(30)))
    assert len(tab.shown("article.finding")) == 30
    tab.one(".filter input").send_keys("value_17 cd101")
    assert len(tab.shown("article.finding")) < 10 and tab.one(".filter output").text.endswith(" of 30")
    tab.one(".filter input").send_keys("\b" * 40)
    assert len(tab.shown("article.finding")) == 30


def test_a_fix_is_copied_by_a_click(opened):
    tab = opened(html_format.render(many(2)))
    tab.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    button = tab.one("button.copier")
    assert button.accessible_name == "Copy this fix"
    button.click()
    assert tab.driver.execute_async_script(
        "const done = arguments[0]; setTimeout(() => done(document.querySelector('button.copier').textContent), 200)"
    ) in ("Copied", "Selected")


def test_what_was_seen_opens_by_a_click_and_by_a_key(opened):
    tab = opened(html_format.render(three_deep()))
    seen = tab.one("#finding-1 details")
    assert not seen.find_element("css selector", "pre").is_displayed()
    seen.find_element("css selector", "summary").click()
    assert seen.find_element("css selector", "pre").is_displayed()
    tab.press("\ue007")  # Enter, on the summary that has the focus
    assert not seen.find_element("css selector", "pre").is_displayed()


def test_a_picture_is_made_larger_by_a_click_and_by_a_key(opened):
    tab = opened(html_format.render(with_times()))
    width = "return document.querySelector('svg.times').getBoundingClientRect().width"
    height = width.replace(".width", ".height")
    before = tab.run(width), tab.run(height)
    tab.one("#timeline .tools button").click()
    assert tab.run(width) == pytest.approx(before[0] * 1.5, abs=2) and tab.run(height) == before[1]
    tab.run("document.querySelector('#timeline .picture').focus()")
    tab.press("+", "+", "+")
    assert tab.run(width) > 4 * before[0]
    assert tab.some("svg.times .fine")[3].value_of_css_property("display") != "none"
    tab.press("0")
    assert tab.run(width) == before[0]


def test_a_link_into_a_closed_part_opens_it(opened):
    tab = opened(PAGES["gate-pass"]())
    assert not tab.one("#t2-finding-1").is_displayed()
    tab.load("#t2-finding-1")
    assert tab.one("#t2-finding-1").is_displayed()


def test_the_keyboard_reaches_the_content_first_and_then_everything_that_scrolls(opened):
    tab = opened(html_format.render(three_deep()))
    tab.press("\ue004")
    assert tab.run("return document.activeElement.className") == "skip"
    assert tab.run("return document.activeElement.getBoundingClientRect().left >= 0"), (
        "it is seen when it has the focus"
    )
    tab.press("\ue007")
    assert tab.run("return document.activeElement.id") == "main"
    wanted = tab.run(
        "return document.querySelectorAll('main a, main button, main summary, main input, main [tabindex=\"0\"]').length"
    )
    reached = set()
    for _ in range(wanted + 5):
        tab.press("\ue004")
        reached.add(
            tab.run(
                "return document.activeElement.outerHTML.slice(0, 200) + document.activeElement.getBoundingClientRect().top"
            )
        )
        style = tab.run("return getComputedStyle(document.activeElement).outlineStyle")
        assert style != "none" or tab.run("return document.activeElement === document.body")
    assert len(reached) > 15


def test_everything_to_press_and_every_picture_has_a_name(opened):
    for name in (
        "replayed-ranks-fsdp-block-logs-on-rank-0",
        "gate-mixed",
        "bench",
        "coldstart",
        "replayed-2.11.0+cu130-h100-sliding-window",
    ):
        tab = opened(PAGES[name]())
        tree = tab.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = [
            (one.get("role", {}).get("value"), one.get("name", {}).get("value", ""))
            for one in tree
            if not one["ignored"]
        ]
        nameless = [
            role
            for role, label in roles
            if role in ("link", "button", "image", "searchbox", "region", "table", "navigation") and not label
        ]
        assert nameless == [], name
        assert {"main", "banner", "contentinfo", "navigation", "heading"} <= {role for role, _ in roles}


def test_without_javascript_everything_is_there(opened):
    text = html_format.render(three_deep())
    with_script = opened(text).one("main").text
    tab = opened(text)
    tab.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    tab.load()
    shown = tab.one("main").text
    assert tab.shown("button, input") == []
    assert set(with_script.splitlines()) - set(shown.splitlines()) <= {
        "Copy",
        "Larger",
        "Smaller",
        "Whole width",
        "As drawn",
        "Show only findings with",
    }
    tab.one("#finding-1 summary").click()
    assert tab.one("#finding-1 details pre").is_displayed()


def contrast(tab: Tab, selector: str) -> float:
    """As WCAG has it, of an element's text on what is behind it."""
    return tab.run(
        """
        const channels = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = (text) => {
          const [r, g, b] = channels(text).map((one) => one / 255).map((one) => one <= .03928 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4);
          return .2126 * r + .7152 * g + .0722 * b;
        };
        const one = document.querySelector(arguments[0]);
        let behind = one;
        while (behind && channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
        const pair = [getComputedStyle(one).color, getComputedStyle(behind || document.body).backgroundColor].map(light).sort((a, b) => b - a);
        return (pair[0] + .05) / (pair[1] + .05);
        """,
        selector,
    )


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_light_and_dark_are_readable(opened, mode):
    tab = opened(html_format.render(three_deep()))
    tab.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": mode}]}
    )
    tab.load()
    brightness = tab.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (brightness > 200) == (mode == "light")
    for selector in (
        "main p",
        ".verdict strong",
        ".level",
        ".place",
        "pre.code .k",
        "pre.code .number",
        "nav a",
        "footer p",
        ".code .note a",
    ):
        assert contrast(tab, selector) >= 4.5, (selector, mode)


@pytest.mark.parametrize(
    "name",
    [
        "replayed-2.13.0-break-rope-scale-three-deep",
        "gate-hostile",
        "parity",
        "bench",
        "matrix",
        "coldstart",
        "replayed-ranks-break-on-rank-1",
    ],
)
def test_a_narrow_window_scrolls_only_within_parts(opened, name):
    tab = opened(PAGES[name]())
    tab.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth")


def test_texts_fit_into_their_boxes(opened):
    tab = opened(PAGES["replayed-2.8.0-break-twelve-layers-same-line"]())
    beyond = tab.run(
        """
        return [...document.querySelectorAll("svg.frames .box")].flatMap((box) => {
          const outer = [...box.querySelectorAll("rect")].at(-1).getBoundingClientRect();
          return [...box.querySelectorAll("text")].filter((one) => one.getBoundingClientRect().right > outer.right).map((one) => one.textContent);
        });
        """
    )
    assert beyond == []
    right = (
        "Math.max(...[...document.querySelectorAll('svg.frames text')].map((one) => one.getBoundingClientRect().right))"
    )
    assert tab.run(f"return {right} <= document.querySelector('svg.frames').getBoundingClientRect().right")


def test_a_thousand_findings_can_be_used(opened):
    tab = opened(html_format.render(many(1_000)))
    tab.one(".filter input").send_keys("value_999")
    assert len(tab.shown("article.finding")) < 10
    tab.load("#finding-1000")
    assert tab.run("return document.querySelector('#finding-1000').getBoundingClientRect().top < innerHeight")


def test_a_screenshot_has_the_verdict_in_its_colour(opened):
    tab = opened(html_format.render(three_deep()))
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    path = tab.path.with_suffix(".png")
    assert tab.driver.save_screenshot(str(path))
    picture = Image.open(path).convert("RGB")
    colours = {colour for _, colour in picture.getcolors(2**24)}
    assert (179, 38, 30) in colours and len(colours) > 50


def test_the_table_of_compile_times_is_seen_whole_on_a_wide_screen(opened):
    tab = opened(html_format.render(replayed("examples/four-breaks")))
    wide, seen = tab.run(
        "const one = document.querySelector('#timeline .wide'); return [one.scrollWidth, one.clientWidth]"
    )
    assert tab.shown("#timeline .wide th")[-1].startswith("Router.forward") and wide <= seen
