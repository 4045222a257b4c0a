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
        carryOut({id: "1", function: {name: "HassTurnOn", arguments: '{"name": "Reading Lamp"}'}}).then(done);""")
    assert state_of(page, "light.reading_lamp") == "on"
    assert "HassTurnOn" in page.find_element(By.CSS_SELECTOR, ".call").text


def test_an_error_is_shown_and_the_next_request_works(page):
    page.expected_error = "400 (Bad Request)"
    page.execute_script("offer = {...offer, tools: 'none'};")
    page.find_element(By.ID, "request").send_keys("Hello", Keys.ENTER)
    WebDriverWait(page, SECONDS).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".note.error"))
    assert "tools" in page.find_element(By.CSS_SELECTOR, ".note.error").text
    assert page.find_element(By.ID, "send").is_enabled()
