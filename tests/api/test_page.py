"""The web page in a real browser: the home is shown, a request goes to the model, a call changes a device."""

import os

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from conftest import FOLDER, MODEL_NAME, Server

SECONDS = 60
CONTEXT = 32768  # the test model's vocabulary is small, so the home and its tools are many tokens


@pytest.fixture(scope="module")
def server(model_path):
    running = Server(model_path, context=CONTEXT)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,860"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, server):
    browser.expected_error = None  # a test that provokes one names it
    browser.get(server.url + "/")
    WebDriverWait(browser, SECONDS).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".device"))
    yield browser
    browser.save_screenshot(os.fspath(FOLDER / "page.png"))
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in errors if not browser.expected_error or browser.expected_error not in message] == []


def state_of(page, device):
    return page.find_element(By.CSS_SELECTOR, f'.device[data-id="{device}"] .state').text


def set_settings(page, **values):
    """What the dialog would set, without its clicks; until the page is loaded again."""
    page.execute_async_script("""
        const done = arguments[arguments.length - 1], values = arguments[0];
        import("/page/settings.js").then(({settings}) => { Object.assign(settings, values); done(); });""", values)


def never_end(page):
    """The random model may end at once; with this it goes on to the limit. Until the page is loaded again."""
    page.execute_script("""
        const real = window.fetch;
        window.fetch = (path, options) => real(path, options?.body
            ? {...options, body: JSON.stringify({...JSON.parse(options.body), ignore_eos: true})} : options);""")


def wait_for_answer(page):
    WebDriverWait(page, SECONDS).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, ".figures") and b.find_element(By.ID, "send").is_enabled())


def test_the_home_and_the_model_are_shown(page):
    assert "Reading Lamp" in page.find_element(By.ID, "rooms").text
    WebDriverWait(page, SECONDS).until(lambda b: b.find_element(By.ID, "model").text == MODEL_NAME)
    assert "context" in page.find_element(By.ID, "facts").text


def test_a_request_is_answered_and_counted(page):
    page.find_element(By.ID, "request").send_keys("Hello", Keys.ENTER)
    WebDriverWait(page, SECONDS).until(lambda b: "prompt tokens" in b.find_element(By.ID, "usage").text)
    WebDriverWait(page, SECONDS).until(lambda b: b.find_element(By.ID, "send").is_enabled())
    assert page.find_element(By.CSS_SELECTOR, ".bubble.user").text == "Hello"
    assert "1 requests" in page.find_element(By.ID, "session").text


def test_a_call_changes_a_device_on_the_page(page):
    assert state_of(page, "light.reading_lamp") == "off"
    page.execute_async_script("""
        const done = arguments[arguments.length - 1];
        import("/page/chat.js").then((chat) => chat.carryOut(
            {id: "1", function: {name: "HassTurnOn", arguments: '{"name": "Reading Lamp"}'}})).then(done);""")
    assert state_of(page, "light.reading_lamp") == "on"
    call = page.find_element(By.CSS_SELECTOR, "details.call")
    assert "HassTurnOn" in call.find_element(By.TAG_NAME, "summary").text
    assert not call.find_element(By.TAG_NAME, "pre").is_displayed()
    call.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert '"name": "Reading Lamp"' in call.find_element(By.TAG_NAME, "pre").text


def test_an_error_is_shown_and_the_next_request_works(page):
    page.expected_error = "400 (Bad Request)"
    set_settings(page, temperature=99)
    page.find_element(By.ID, "request").send_keys("Hello", Keys.ENTER)
    WebDriverWait(page, SECONDS).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".note.error"))
    assert "temperature" in page.find_element(By.CSS_SELECTOR, ".note.error").text
    set_settings(page, temperature=0, max_tokens=8)
    page.find_element(By.ID, "request").send_keys("Hello", Keys.ENTER)
    wait_for_answer(page)


def test_reasoning_is_folded(page):
    """The random model does not think, so the reply is written here."""
    page.execute_script(r"""
        const real = window.fetch, chunks = [{choices: [{delta: {reasoning_content: "Hm."}}]}, {choices: [{delta: {content: "Yes."}, finish_reason: "stop"}]},
            {choices: [], usage: {prompt_tokens: 5, completion_tokens: 4, completion_tokens_details: {reasoning_tokens: 3}}}];
        window.fetch = (path, options) => path === "v1/chat/completions"
            ? Promise.resolve(new Response(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("") + "data: [DONE]\n\n")) : real(path, options);""")
    page.find_element(By.ID, "request").send_keys("Hello", Keys.ENTER)
    wait_for_answer(page)
    reasoning = page.find_element(By.CSS_SELECTOR, "details.reasoning")
    assert reasoning.find_element(By.TAG_NAME, "summary").text == "Thought (3 tokens)"
    assert not reasoning.find_element(By.TAG_NAME, "pre").is_displayed()
    assert page.find_element(By.CSS_SELECTOR, ".bubble.assistant").text == "Yes."


def test_escape_stops_an_answer(page):
    never_end(page)
    set_settings(page, offer_home=False, max_tokens=CONTEXT - 1000)
    page.find_element(By.ID, "request").send_keys("Hello", Keys.ENTER)
    WebDriverWait(page, SECONDS).until(lambda b: b.find_element(By.ID, "stop").is_displayed())
    page.find_element(By.ID, "request").send_keys(Keys.ESCAPE)
    WebDriverWait(page, SECONDS).until(lambda b: b.find_element(By.ID, "send").is_enabled())
    assert "Stopped." in [note.text for note in page.find_elements(By.CSS_SELECTOR, ".note.error")]


def test_the_keyboard_reaches_the_operator_and_the_settings(page):
    set_settings(page, offer_home=False, max_tokens=8)
    page.find_element(By.ID, "request").send_keys("Hello", Keys.ENTER)
    wait_for_answer(page)
    tab = page.find_element(By.ID, "tab-home")
    tab.send_keys(Keys.ARROW_RIGHT)
    WebDriverWait(page, SECONDS).until(lambda b: "running" in b.find_element(By.ID, "tiles").text)
    assert not page.find_element(By.ID, "rooms").is_displayed()
    WebDriverWait(page, SECONDS).until(lambda b: MODEL_NAME in b.find_element(By.ID, "names").text)
    WebDriverWait(page, SECONDS).until(lambda b: MODEL_NAME in b.find_element(By.ID, "usage-table").text)
    page.find_element(By.ID, "open-settings").send_keys(Keys.ENTER)
    assert page.find_element(By.ID, "settings").is_displayed()
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not page.find_element(By.ID, "settings").is_displayed()


@pytest.mark.parametrize("theme, size", [("light", (1280, 860)), ("dark", (1280, 860)), ("light", (390, 844)), ("dark", (390, 844))])
def test_nothing_overflows_in_any_size_and_theme(page, theme, size):
    page.set_window_size(*size)
    try:
        page.execute_script("localStorage.setItem('mimo.theme', arguments[0]);", theme)
        page.refresh()
        WebDriverWait(page, SECONDS).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".device"))
        assert page.execute_script("return document.documentElement.dataset.theme;") == theme
        for view in ("home", "operator"):
            page.find_element(By.ID, f"tab-{view}").click()
            assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth;")
            assert page.find_element(By.ID, "request").is_displayed()
            page.save_screenshot(os.fspath(FOLDER / f"page-{view}-{theme}-{size[0]}.png"))
    finally:
        page.execute_script("localStorage.clear(); sessionStorage.clear();")
        page.set_window_size(1280, 860)
