"""Debian's Chromium without a window, driven by WebDriver: what a person would see and do, and what the page asked for."""
import base64
import contextlib
import json
import os
import shutil
import signal
import tempfile

from .process import find_program, missing
from .wait import PATIENCE, until

DESKTOP = (1280, 900)
PHONE = (360, 740)


class Browser:
    """One Chromium with its own profile. Leaving the context ends it and checks that no process of it is left."""

    def __init__(self):
        try:
            from selenium import webdriver
            from selenium.webdriver.chrome.service import Service
        except ImportError:
            missing("python3-selenium")
        self.profile = tempfile.mkdtemp(prefix="telltale-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = find_program("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-sync",
                         "--disable-extensions", "--disable-default-apps", "--no-proxy-server", "--hide-scrollbars",
                         "--force-color-profile=srgb", "--lang=en", f"--user-data-dir={self.profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        log = os.path.join(self.profile, "chromedriver.log")
        service = Service(find_program("chromedriver"), service_args=[f"--log-path={log}"])
        try:
            self.driver = webdriver.Chrome(service=service, options=options)
        except BaseException:
            service.stop()
            self._end_leftovers()
            raise
        self.driver.set_page_load_timeout(60)
        self.driver.set_script_timeout(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.driver.quit()
        try:
            until(lambda: not self._processes(), "Chromium to end")
        except AssertionError:
            self._end_leftovers()
            raise
        finally:
            shutil.rmtree(self.profile, ignore_errors=True)

    def _processes(self):
        """Ids of the processes that carry this profile in their command line."""
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and int(entry) != os.getpid():
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        if self.profile.encode() in file.read():
                            found.append(int(entry))
        return found

    def _end_leftovers(self):
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # ---- what it looks like

    def emulate(self, size=DESKTOP, scheme="light", motion="no-preference", scale=1, mobile=False):
        """Size of the window, colours and motion as a person would have set them."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=scale, mobile=mobile)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme},
                                                         {"name": "prefers-reduced-motion", "value": motion}])

    def screenshot(self, path):
        """The whole page as PNG."""
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    # ---- doing and looking

    def open(self, url):
        self.driver.get("about:blank")  # a new page even where only the hash differs
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(url)

    @contextlib.contextmanager
    def before_each_page(self, script):
        """Runs in every page that is opened meanwhile, before its own scripts."""
        added = self.cdp("Page.addScriptToEvaluateOnNewDocument", source=script)["identifier"]
        try:
            yield
        finally:
            self.cdp("Page.removeScriptToEvaluateOnNewDocument", identifier=added)

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, selector):
        """What is rendered; "" when there is no such element."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map((node) => node.innerText)", selector)

    def wait_for(self, script, what, *arguments, patience=2 * PATIENCE):
        """Until the expression is true; the page is shown when it never is."""
        return until(lambda: self.run(f"return Boolean({script})", *arguments),
                     lambda: f"{what}; the page says\n{self.run('return document.body.innerText')}\n{self.console()}", patience, 0.05)

    def wait_for_text(self, selector, text):
        self.wait_for("(document.querySelector(arguments[0])?.innerText ?? '').includes(arguments[1])",
                      f"{text!r} in {selector}", selector, text)

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    # ---- what happened

    def console(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """Every URL that any page asked for since the last call."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return found

    def accessibility_tree(self):
        return self.cdp("Accessibility.getFullAXTree")["nodes"]
