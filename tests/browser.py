"""A real browser for the tests of pages: Chromium without a window, driven by Selenium.

    with browser(width=390, touch=True) as driver:
        driver.get(page.as_uri())
        assert complaints(driver) == []

Both come from the system (Debian: chromium and chromium-driver) and from the extra `dev`.  Nothing
here downloads anything, and a page that asks for something from a network is told on.
"""

import json
import shutil
from contextlib import contextmanager

import pytest

OPTIONS = (
    "--headless=new --no-sandbox --disable-dev-shm-usage --no-first-run --disable-gpu "
    "--disable-background-networking --disable-component-update --hide-scrollbars"
).split()


@contextmanager
def browser(width=1300, height=900, dark=False, touch=False):
    """Give a Chromium with a window of this size; its reader may like it dark, or have a phone."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver_path = shutil.which("chromedriver")
    if not (chromium and driver_path):
        pytest.skip("needs Chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver_path))
    try:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        command(driver, "Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        command(driver, "Emulation.setDeviceMetricsOverride", **size)
        command(driver, "Emulation.setTouchEmulationEnabled", enabled=touch)
        yield driver
    finally:
        driver.quit()


def command(driver, name, **parameters):
    """Send a command of Chromium's developer tools."""
    return driver.execute_cdp_cmd(name, parameters)


def complaints(driver):
    """Return what the console has to say since the last call: errors and warnings."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requests(driver):
    """Return the addresses that pages have asked for since the last call; data: is none."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    addresses = [parameters["request"]["url"] for parameters in asked]
    return [one for one in addresses if not one.startswith("data:")]
