"""The report in a real browser: nothing is fetched or run, it fits a phone, and it knows the dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.contents import report_contents
from crmvalue.reporting.html import render_html

QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def first_program(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium = first_program("chromium", "chromium-browser", "google-chrome")
    chromedriver = first_program("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("needs chromium and chromedriver, which are not on this machine")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver, log_output=os.devnull))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(report_contents(analysis)), encoding="utf-8")
    return path


def show(browser: Any, report: Path, *, width: int = 1280, scheme: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get(report.as_uri())


def test_the_report_opens_without_errors_or_requests(browser: Any, report: Path) -> None:
    browser.get_log("browser")
    browser.get_log("performance")
    show(browser, report)
    assert browser.title == "A <script>window.__pwned=1</script>"
    assert browser.get_log("browser") == []
    asked = [entry["message"] for entry in browser.get_log("performance") if 'requestWillBeSent"' in entry["message"]]
    assert not [message for message in asked if "http://" in message or "https://" in message]
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_a_script_in_a_name_does_not_run(browser: Any, report: Path) -> None:
    show(browser, report)
    assert browser.execute_script("return typeof window.__pwned") == "undefined"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out_of_the_page_even_with_all_tables_open(browser: Any, report: Path, width: int) -> None:
    show(browser, report, width=width)
    browser.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 1280])
def test_no_text_is_cut_off_or_tiny_in_the_pictures(browser: Any, report: Path, width: int) -> None:
    show(browser, report, width=width)
    found = browser.execute_script(
        """
        const shown = [...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0);
        return shown.flatMap(svg => {
          const frame = svg.getBoundingClientRect();
          const scale = frame.width / svg.viewBox.baseVal.width;
          return [...svg.querySelectorAll('text')].map(text => {
            const box = text.getBoundingClientRect();
            const inside = box.left >= frame.left - 1 && box.right <= frame.right + 1 &&
              box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
            return [text.textContent, inside, parseFloat(getComputedStyle(text).fontSize) * scale];
          });
        });
        """
    )
    assert len(found) > 100
    assert not [text for text, inside, _ in found if not inside]
    assert min(size for _, _, size in found) >= 9.5


def test_dark_mode_changes_ground_ink_and_pictures(browser: Any, report: Path) -> None:
    script = """
        const style = (query, name) => getComputedStyle(document.querySelector(query))[name];
        return [style('html', 'backgroundColor'), style('body', 'color'), style('.wide svg text', 'fill')];
    """
    seen = {}
    for scheme in ("light", "dark"):
        show(browser, report, scheme=scheme)
        seen[scheme] = browser.execute_script(script)
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))


def test_print_shows_the_tables_behind_the_pictures(browser: Any, report: Path) -> None:
    show(browser, report)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    height = "return document.querySelector('details table').getBoundingClientRect().height"
    assert browser.execute_script(height) > 50
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
