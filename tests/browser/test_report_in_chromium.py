"""The report and the site in a real browser: drawn, quiet, no wider than the screen, answering mouse and keyboard."""

from __future__ import annotations

import pytest

from workbench.catalog import catalog
from workbench.show import report

WIDTHS = (360, 768, 1280)
OVERFLOW = "document.scrollingElement.scrollWidth - window.innerWidth"
CHARTS = {"loss", "deviation", "time", "phases", "break-even", "sweep", "memory"}


@pytest.fixture
def page(open_page, page_file):
    """The report on a desktop."""
    return open_page(page_file)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_drawn_without_a_word_and_nothing_overflows(open_page, page_file, width, scheme):
    page = open_page(page_file, width, color_scheme=scheme)
    assert page.said == []
    assert [url for url in page.requested if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.evaluate(OVERFLOW) <= 0
    drawn = page.evaluate("[...document.querySelectorAll('.js-plotly-plot')].map(chart => chart.id)")
    assert {name.removeprefix("run-1-").removesuffix("-chart") for name in drawn} == CHARTS


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_when_everything_is_open(open_page, page_file, width):
    page = open_page(page_file, width)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate(OVERFLOW) <= 0


def test_an_overflow_would_be_seen(page):
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<div style=\"width: 3000px\">wide</div>')")
    assert page.evaluate(OVERFLOW) > 0


def test_an_error_would_be_heard(page):
    page.evaluate("setTimeout(() => { throw new Error('planted') })")
    page.wait_for_timeout(50)
    assert any("planted" in said for said in page.said)


def test_texts_of_a_run_run_nothing(page):
    assert page.evaluate("window.planted") is None
    assert page.get_by_text("<script>window.planted = 1</script> {{ 7*7 }}").count() >= 1


def test_nothing_of_it_may_ask_the_network(open_page, page_file):
    page = open_page(page_file, bypass_csp=False)
    assert page.said == []
    asked = "fetch('https://example.invalid/').then(() => 'answered', error => 'refused')"
    assert page.evaluate(asked) == "refused"
    assert any("Content Security Policy" in said for said in page.said)


@pytest.mark.parametrize("chart", ["loss", "time", "phases"])
def test_hovering_shows_a_value(page, chart):
    area = page.locator(f"#run-1-{chart}-chart .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    label = page.locator(f"#run-1-{chart}-chart .hoverlayer").locator(".hovertext, .legend")
    for across in range(1, 40):
        height = 0.5 if chart == "loss" else 0.12
        page.mouse.move(box["x"] + box["width"] * across / 40, box["y"] + box["height"] * height)
        page.evaluate("new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn, 60)))")  # Plotly's own delay
        if label.count():
            break
    assert any(character.isdigit() for character in label.first.text_content(timeout=2000))


def test_no_button_uploads_anything(page):
    titles = "[...document.querySelectorAll('.modebar [data-title]')].map(button => button.dataset.title)"
    assert set(page.evaluate(titles)) == {
        "Download plot as a PNG", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes",
    }  # fmt: skip


def visible(page, chart: str) -> list[object]:
    return page.evaluate(f"document.getElementById('run-1-{chart}-chart')._fullData.map(trace => trace.visible)")


@pytest.mark.parametrize("chart", ["loss", "phases", "memory", "sweep"])
def test_a_click_in_the_legend_hides_a_curve_and_a_second_shows_it(page, chart):
    toggle = page.locator(f"#run-1-{chart}-chart .legendtoggle").first
    toggle.scroll_into_view_if_needed()
    before = visible(page, chart)
    assert "legendonly" not in before
    toggle.click()
    shown = f"document.getElementById('run-1-{chart}-chart')._fullData.map(trace => trace.visible)"
    page.wait_for_function(f"{shown}.includes('legendonly')")
    page.wait_for_timeout(1000)  # or the second click makes a double-click of it
    toggle.click()
    page.wait_for_function(f"before => JSON.stringify({shown}) === JSON.stringify(before)", arg=before)


def test_dragging_zooms(page):
    area = page.locator("#run-1-loss-chart .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    span = "(([low, high]) => high - low)(document.getElementById('run-1-loss-chart')._fullLayout.xaxis.range)"
    before = page.evaluate(span)
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{span} < {before} / 2")


def test_the_keyboard_reaches_the_content_first(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_focus_can_be_seen(page):
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_chart_has_its_words(page):
    heard = page.get_by_role("group", name="Chart: Loss")
    assert heard.count() == 1
    assert page.get_by_role("region").count() > 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_in_charts_have_the_ink_of_the_page(open_page, page_file, scheme):
    page = open_page(page_file, color_scheme=scheme)
    ink = page.evaluate("getComputedStyle(document.body).color")
    fills = "selector => [...document.querySelectorAll(selector)].map(one => getComputedStyle(one).fill)"
    words = page.evaluate(fills, ".infolayer .legendtext, .xtick text, .ytick text, .xtitle")
    assert len(words) > 30
    assert set(words) == {ink}


def test_on_paper_no_chart_is_wider_than_the_page(page):
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(
        "[...document.querySelectorAll('.js-plotly-plot')].every(chart => chart._fullLayout.width === 680)"
    )
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function(
        "[...document.querySelectorAll('.js-plotly-plot')].every(chart => chart._fullLayout.width > 680)"
    )
    assert page.said == []
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_site_opens_from_a_folder(open_page, full_run, tmp_path, width):
    for name, text in report.site.pages(catalog(), [full_run]).items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(text)
    page = open_page(tmp_path / "site" / "index.html", width)
    for link in ("linreg", "All tasks and frontends", "numpy_manual"):
        assert page.evaluate(OVERFLOW) <= 0
        page.get_by_role("link", name=link, exact=True).first.click()
        page.wait_for_load_state()
    assert page.evaluate(OVERFLOW) <= 0
    assert page.said == []
