"""Draw the pictures of README.md and of the lessons' first page, from the real pages.

    python -m docs.make_pictures            the stepper, as a moving picture, and the explorer
    python -m docs.make_pictures SITE       also a picture of each lesson in the folder SITE, which
                                            `python -m lessons site` has written

The pictures lie in docs/pictures/ and lessons/page/pictures/.  The script needs Chromium with its
driver, and Selenium (the extra `dev`).
"""

import io
import pathlib
import shutil
import sys
import tempfile
import time

import numpy as np
from PIL import Image, ImageChops
from selenium import webdriver

from minicnn.commands.explore import write_page
from minicnn.reference import pool_forward
from minicnn.step import step

TOP = pathlib.Path(__file__).resolve().parent.parent
PICTURES = TOP / "docs" / "pictures"
THUMBNAILS = TOP / "lessons" / "page" / "pictures"
ROOT = "document.querySelector('.minicnn-step').shadowRoot"
SECONDS = 1.6  # that a step stays
# Of a lesson, what there is to see first, without a prediction: a figure, arrays, or a stepper.
FIRST = """
return [...document.querySelectorAll(".output figure img, .output .minicnn-step")]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }))
    .find((one) => one.getBoundingClientRect().height > 60)
"""


def main(sites=()):
    """Draw the pictures, and those of the lessons in these folders."""
    PICTURES.mkdir(exist_ok=True)
    driver = browser()
    try:
        with tempfile.TemporaryDirectory() as folder:
            stepper(driver, pathlib.Path(folder) / "pool.html")
            explorer(driver, pathlib.Path(folder) / "explore.html")
        for site in sites:
            for page in sorted(pathlib.Path(site).glob("[0-9][0-9]_*.html")):
                lesson(driver, page)
    finally:
        driver.quit()


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("chromium-browser")
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(option)
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def look(driver, page, width, height):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.resolve().as_uri())
    time.sleep(1)


def screenshot(driver):
    return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


def stepper(driver, page):
    """Walk through the backward pass of overlapping pooling, one step a frame."""
    x = [[1, 2, 0, 1, 7], [0, 3, 1, 2, 0], [1, 0, 9, 1, 2], [4, 1, 0, 2, 1], [0, 2, 3, 1, 8]]
    steps = step(pool_forward, np.array(x, float).reshape(1, 1, 5, 5), z=3, s=2)
    steps.backward(np.array([[1.0, 2], [3, 4]]).reshape(1, 1, 2, 2)).save(page)
    look(driver, page, 1180, 500)
    frames = []
    press = f"{ROOT}.querySelector('[aria-label^=\"next\"]').click()"
    line = f"return {ROOT}.querySelector('.code [aria-current]').textContent"
    count = f"return {ROOT}.querySelector('.count').textContent.split(' of ')"
    number, last = driver.execute_script(count)
    while number != last:
        driver.execute_script(press)
        time.sleep(0.2)
        number, last = driver.execute_script(count)
        if "check_" not in driver.execute_script(line):
            frames.append(screenshot(driver))
    palette = frames[-1].quantize(64)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [1000 * SECONDS] * (len(frames) - 1) + [3000 * SECONDS]
    options = {"append_images": frames[1:], "duration": durations, "loop": 0, "optimize": True}
    frames[0].save(PICTURES / "stepper.gif", save_all=True, **options)


def explorer(driver, page):
    write_page(page)
    look(driver, page, 1180, 800)
    screenshot(driver).quantize(128).save(PICTURES / "explore.png", optimize=True)


def lesson(driver, page):
    """Draw what there is to see first in a lesson, without the empty margin beside it."""
    look(driver, page, 760, 4000)
    found = driver.execute_script(FIRST)
    picture = Image.open(io.BytesIO(found.screenshot_as_png)).convert("RGB")
    margin = Image.new("RGB", picture.size, picture.getpixel((picture.width - 1, 0)))
    picture = picture.crop(ImageChops.difference(picture, margin).getbbox())
    if picture.height > 1.5 * picture.width:
        picture = picture.crop((0, 0, picture.width, picture.width))
    picture.thumbnail((320, 200))
    THUMBNAILS.mkdir(exist_ok=True)
    picture.quantize(64).save(THUMBNAILS / f"{page.stem[:2]}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
