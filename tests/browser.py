"""A real browser for the tests of pages: Chromium without a window, driven by Selenium.

    with browser() as driver:
        look(driver, page, width=390, touch=True)
        assert complaints(driver) == faults(driver) == []

Both come from the system (Debian: chromium and chromium-driver), and Selenium from the extra `dev`;
where one is missing, the test is skipped.  Nothing here downloads anything, and a page that asks
for something from a network is told on.
"""

import json
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

OPTIONS = (
    "--headless=new --no-sandbox --disable-dev-shm-usage --no-first-run --disable-gpu "
    "--disable-sync --disable-quic --disable-background-networking --disable-component-update "
    "--hide-scrollbars"
).split()

FAULTS = Path(__file__).with_name("faults.js").read_text(encoding="utf-8")
LOOKS = [(width, dark) for width in (390, 1300) for dark in (False, True)]  # to look at a page in


@contextmanager
def browser():
    """Give a Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="this test needs selenium")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    chromedriver = shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.skip("this test needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    try:
        yield driver
    finally:
        driver.quit()


def look(driver, page, width=1300, height=900, dark=False, touch=False):
    """Open a page, a path or an address, in a window of this size; a reader may like it dark."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
    command(driver, "Emulation.setDeviceMetricsOverride", **size)
    command(driver, "Emulation.setTouchEmulationEnabled", enabled=touch)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    command(driver, "Emulation.setEmulatedMedia", features=[scheme])
    driver.get(page if isinstance(page, str) else page.as_uri())
    steppers = "[...document.querySelectorAll('.minicnn-step')]"
    for _ in range(1000):  # they read their data when the page is there already
        if driver.execute_script(f"return {steppers}.every((one) => one.shadowRoot)"):
            break
        time.sleep(0.02)


def command(driver, name, **parameters):
    """Send a command of Chromium's developer tools."""
    return driver.execute_cdp_cmd(name, parameters)


def complaints(driver):
    """Return what the console has to say since the last call: errors and warnings."""
    return [entry["message"] for entry in driver.get_log("browser")]


def faults(driver):
    """Return what is wrong with the looks of the page, as faults.js lists it.

    Before that, outputs that wait for a prediction and answers are unfolded.
    """
    driver.execute_script(
        "for (const form of document.querySelectorAll('.guess')) { const field = form.elements[0];"
        "field.value = 7; field.dispatchEvent(new Event('input')); form.requestSubmit(); }"
        "for (const answers of document.querySelectorAll('details')) answers.open = true;"
    )
    return driver.execute_script(FAULTS)


def requests(driver):
    """Return the addresses that pages have asked for since the last call; data: is none."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    addresses = [parameters["request"]["url"] for parameters in asked]
    return [one for one in addresses if not one.startswith("data:")]
